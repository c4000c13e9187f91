"""The ledger's answer to a new bet, as a scalar rule: the ledger's model calls it, the simulation compiles it."""

from reference_impl.domain.bets import Status


def verdict_on_bet(known: bool, shut: bool, balance_minor: int, amount_minor: int) -> Status:  # noqa: FBT001 - compiled
    """Return what becomes of a bet that was not seen before.

    Parameters
    ----------
    known : bool
        Whether the shard has the bet's window on record.
    shut : bool
        Whether the window is closed for it: it came late, was closed, or its last instant has passed.
    balance_minor, amount_minor : int
        What the player has, and the stake.
    """
    if not known:
        return Status.UNKNOWN_ROUND
    if shut:
        return Status.WINDOW_CLOSED
    if balance_minor < amount_minor:
        return Status.INSUFFICIENT_FUNDS
    return Status.ACCEPTED
