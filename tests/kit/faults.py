"""Seeded faults: small seamless wallets that are honest but for one thing, each with the case that must name it."""

from typing import NamedTuple

from kit import faulty_rules as rules
from kit import faulty_servers as servers

from loadtest.kit.example import ExampleWallet
from loadtest.kit.model import ModelWallet


class Fault(NamedTuple):
    """A wallet with a fault: its rules, its server, and the case that must fail."""

    rules: type[ModelWallet]
    server: type[ExampleWallet]
    case: str

    def __str__(self) -> str:
        return f"{(self.server if self.rules is ModelWallet else self.rules).__name__}-{self.case}"


def _rules(wrong: type[ModelWallet], case: str) -> Fault:
    return Fault(wrong, ExampleWallet, case)


def _race(wrong: type[ModelWallet], case: str) -> Fault:
    return Fault(wrong, servers.Unlocked, case)


def _server(wrong: type[ExampleWallet], case: str) -> Fault:
    return Fault(ModelWallet, wrong, case)


FAULTS = [
    _rules(rules.DebitsTwice, "a_debit_sent_twice_takes_the_stake_once"),
    _rules(rules.CreditsTwice, "a_credit_sent_twice_pays_once"),
    _rules(rules.ReplaysAfterCredit, "an_old_debit_sent_after_its_credit_takes_nothing"),
    _rules(rules.RedebitsAfterCancel, "an_old_debit_sent_after_its_cancel_takes_nothing"),
    _rules(rules.IgnoresCancels, "a_cancel_without_an_amount_returns_the_stake"),
    _rules(rules.ForgetsTombstones, "a_debit_after_its_cancel_never_moves_money"),
    _rules(rules.CancelsWithEveryId, "a_second_cancel_of_a_bet_returns_nothing"),
    _rules(rules.CancelsSettledBets, "a_settled_bet_cannot_be_cancelled"),
    _rules(rules.CreditsCancelledBets, "a_cancelled_bet_cannot_be_credited"),
    _rules(rules.CreditsWithEveryId, "a_second_credit_of_a_bet_pays_nothing"),
    _rules(rules.CreditsUnknownBets, "a_credit_before_its_debit_waits"),
    _rules(rules.AcceptsChangedAmounts, "a_debit_with_another_amount_is_a_conflict"),
    _rules(rules.AcceptsChangedAmounts, "a_credit_with_another_amount_is_a_conflict"),
    _rules(rules.AcceptsChangedAmounts, "an_id_serves_one_purpose"),
    _rules(rules.SharesIdsAmongPlayers, "two_players_may_use_one_id"),
    _rules(rules.RefusesZeroWins, "a_zero_win_settles_the_bet"),
    _rules(rules.RoundsToSinglePrecision, "amounts_are_exact_to_the_last_minor_unit"),
    _rules(rules.RoundsToTens, "amounts_are_exact_to_the_last_minor_unit"),
    _rules(rules.TellsOldBalance, "a_bet_is_debited_and_its_win_credited"),
    _rules(rules.AllowsOneMore, "the_whole_balance_may_be_staked_and_no_more"),
    _rules(rules.JudgesRefusedDebitsAgain, "a_refused_debit_sent_again_is_judged_as_agreed"),
    _rules(rules.ForgetsCancelsOfRefusedDebits, "a_refused_debit_that_was_cancelled_never_moves_money"),
    _rules(rules.TakesAnyCurrency, "another_currency_is_refused"),
    _rules(rules.ForgetsCreditsThatBroke, "a_credit_whose_answer_was_lost_resumes"),
    _rules(rules.ForgetsDebitsThatBroke, "a_debit_whose_answer_was_lost_resumes"),
    _rules(rules.DrainsAfterAWhile, "the_balance_is_ours_after_a_random_history"),
    _rules(rules.PromosTwice, "a_promo_pays_once"),
    _rules(rules.OpensAccountsForAnybody, "an_unknown_player_is_refused"),
    _rules(rules.ForgetsCancelsThatBroke, "a_cancel_whose_answer_was_lost_resumes"),
    _race(rules.RacesCancels, "five_cancels_with_one_id_at_once_return_the_stake_once"),
    _race(rules.RacesTombstones, "a_debit_and_its_cancel_at_once_leave_the_balance"),
    _race(rules.RacesEnds, "a_credit_and_a_cancel_at_once_end_the_bet_once"),
    _race(rules.RacesDuplicates, "five_debits_with_one_id_at_once_take_the_stake_once"),
    _race(rules.RacesCredits, "five_credits_with_one_id_at_once_pay_once"),
    _race(rules.RacesBalances, "parallel_debits_never_overdraw"),
    _race(rules.OverdrawsAtRace, "parallel_debits_never_overdraw"),
    _server(servers.AdmitsAnybody, "a_false_launch_token_is_refused"),
    _server(servers.BreaksOnMalformedBodies, "a_body_that_is_no_call_is_refused"),
    _server(servers.BlindToSignatures, "a_false_signature_is_refused"),
    _server(servers.SignsReformattedBodies, "a_changed_body_is_refused"),
    _server(servers.AcceptsOldTimestamps, "a_stale_timestamp_is_refused"),
    _server(servers.AcceptsFutureTimestamps, "a_future_timestamp_is_refused"),
    _server(servers.TightWindow, "a_timestamp_within_the_window_is_accepted"),
    _server(servers.WantsSessions, "a_credit_after_the_session_expired_is_paid"),
    _server(servers.WantsSessionsForCancels, "a_cancel_after_the_session_expired_returns_the_stake"),
    _server(servers.WantsSessionsForRepetitions, "a_debit_sent_again_after_the_session_expired_gets_its_answer"),
    _server(servers.NeedsNoSession, "a_debit_needs_a_session"),
    _server(servers.ReadsAmountsLaxly, "amounts_that_are_no_positive_integers_are_refused"),
]
"""Each fault with a case that must name it."""
