"""The seamless wallet: a provider's calls, carried out by the wallet role.

A debit is a bet of a standing round, one for each currency, whose window never closes; a credit settles that bet and a
cancel cancels it, so that the ledger's own rules decide: a bet ends once, and a cancel that comes first leaves a
tombstone. A promo is a deposit. Before the wallet is asked the transaction's id is claimed
(:mod:`reference_impl.api.seamless_claims`).

Whatever cannot be answered in time is *unknown*, never failed: the provider sends the same id again.
"""

import asyncio
import hashlib
from dataclasses import dataclass

import asyncpg
import msgspec
import nats.errors
from nats.aio.client import Client

from reference_impl.accounts.sessions import Sessions
from reference_impl.api.seamless_claims import Bet, Claim, ClaimKind, Claims, Key
from reference_impl.bus import ask_wallet
from reference_impl.domain import seamless as s
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.errors import LabError, OperationalError, OutcomeUnknownError
from reference_impl.domain.ids import ACCOUNT_MAX, TABLE_ID_MAX, round_id, shard_of
from reference_impl.domain.money import Currency
from reference_impl.domain.seamless import Code, problem
from reference_impl.domain.units import NS_PER_S

TABLE = TABLE_ID_MAX
"""The table of the standing rounds; no dealer deals there."""

EPOCH = 1
ACCEPT_UNTIL_UNIX_NS = 4_102_444_800 * NS_PER_S
"""The standing windows stay open until the year 2100."""

ASK_S_MAX = 2.0
ANSWER_S_MAX = 2.8
"""Providers wait 3 to 10 s for an answer; ours comes before the shortest of these."""

CURRENCIES_KEPT_MAX = 100_000

_DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_encode = msgspec.msgpack.Encoder().encode
_decode_bets = msgspec.msgpack.Decoder(m.BetAnswers).decode


class _Refused(Exception):  # noqa: N818 - an answer on its way out, never seen outside this module
    def __init__(self, answer: s.Problem) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class _Told(msgspec.Struct, frozen=True):
    """What the wallet answered for one operation."""

    status: int
    balance_minor: int


@dataclass(frozen=True)
class _Asked:
    """A money call with its player resolved."""

    player: int
    shard: int
    key: Key


class SeamlessWallet:
    """Carries out the calls of providers.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    sessions : Sessions
        Judges launch tokens and sessions.
    dsns : list of str
        The shards' databases, for claims.
    conventions : Conventions
        The switches.
    """

    def __init__(self, bus: Client, sessions: Sessions, dsns: list[str], conventions: s.Conventions) -> None:
        self.conventions = conventions
        self._bus = bus
        self._sessions = sessions
        self._shards = len(dsns)
        self._claims = Claims(dsns)
        self._currencies: dict[int, Currency] = {}
        self._standing: set[tuple[int, int]] = set()

    async def open(self) -> None:
        """Prepare to serve."""
        await self._claims.open()

    async def close(self) -> None:
        """Stop serving."""
        await self._claims.close()

    async def answer(self, provider: str, call: s.Call, now_unix_s: int) -> s.Answer:
        """Carry a call out.

        Parameters
        ----------
        provider : str
            Who asks; its signature was judged before.
        call : Call
            What it asks.
        now_unix_s : int
            For sessions.
        """
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await self._carry_out(provider, call, now_unix_s)
        except _Refused as refused:
            return refused.answer
        except (LabError, TimeoutError, OSError, *_DATABASE_ERRORS) as error:
            what = str(error) or "no answer in time"
            return problem(Code.OUTCOME_UNKNOWN, f"outcome unknown, send the same transaction again: {what}")

    async def _carry_out(self, provider: str, call: s.Call, now_s: int) -> s.Answer:
        if isinstance(call, s.Authenticate):
            return await self._authenticate(call, now_s)
        player = _player(call.player)
        if isinstance(call, s.Balance):
            await self._require_currency(player, call.currency)
            return s.BalanceNow(call.player, call.currency, (await self._account(player)).balance)
        asked = _Asked(player, shard_of(player, self._shards), Key(player, provider, call.transaction))
        if isinstance(call, s.Cancel):
            await self._currency(player)
            return await self._cancel(asked, call)
        currency = await self._require_currency(player, call.currency)
        if isinstance(call, s.Credit):
            return await self._credit(asked, call, currency)
        if isinstance(call, s.Promo):
            return await self._promo(asked, call, currency)
        await self._require_session(asked, call, now_s)
        return await self._debit(asked, call, currency)

    async def _authenticate(self, call: s.Authenticate, now_s: int) -> s.Answer:
        who = await self._sessions.of(call.token, now_s)
        if who is None:
            raise _Refused(problem(Code.SESSION_EXPIRED, "the launch token is false or expired"))
        player, _ = who
        account = await self._account(player)
        return s.Authenticated(str(player), call.token, Currency(account.currency).name, account.balance)

    async def _require_session(self, asked: _Asked, call: s.Debit, now_s: int) -> None:
        """Refuse a debit without a valid session, unless it was asked for before, when the session was still valid.

        Whoever was not told what became of his debit must learn it, however late he asks. A debit that was refused and
        would be judged anew needs a session as a new one does.
        """
        who = await self._sessions.of(call.session, now_s)
        if who is not None and who[0] == asked.player:
            return
        if await self._claims.attempt_of(asked.key) != 0:
            detail = f"the session is not, or no longer, one of player {asked.player}"
            raise _Refused(problem(Code.SESSION_EXPIRED, detail))

    async def _debit(self, asked: _Asked, call: s.Debit, currency: Currency) -> s.Answer:
        claim = await self._claims.claim(asked.key, ClaimKind.DEBIT, call.round, call.amount_minor)
        ref = _ref(asked.key, claim.attempt)
        if claim.kind is ClaimKind.TOMBSTONE:
            told = await self._cancel_bet(asked, ref)  # in case whoever left the tombstone died before the ledger knew
        else:
            _require_same(claim, ClaimKind.DEBIT, call.round, call.amount_minor, asked.key.id)
            told = await self._place(asked, ref, currency, call.amount_minor)
        if claim.kind is ClaimKind.TOMBSTONE or told.status == Status.CANCELLED:
            if self.conventions.late_debit is s.LateDebit.NO_EFFECT:
                return s.Receipt(call.transaction, call.player, told.balance_minor)
            detail = f"bet {call.transaction} was cancelled before it came"
            raise _Refused(problem(Code.BET_CANCELLED, detail, told.balance_minor))
        if told.status == Status.INSUFFICIENT_FUNDS:
            if self.conventions.rejected_retry is s.RejectedRetry.EVALUATED_AGAIN:
                await self._claims.next_attempt(asked.key, claim.attempt)
            detail = f"stake {call.amount_minor} is above the balance {told.balance_minor}"
            raise _Refused(problem(Code.INSUFFICIENT_FUNDS, detail, told.balance_minor))
        return self._receipt(call.transaction, call.player, told, fresh=claim.fresh)

    async def _credit(self, asked: _Asked, call: s.Credit, currency: Currency) -> s.Answer:
        claim = await self._claims.claim(asked.key, ClaimKind.CREDIT, call.bet, call.amount_minor)
        _require_same(claim, ClaimKind.CREDIT, call.bet, call.amount_minor, asked.key.id)
        bet_key = asked.key._replace(id=call.bet)
        bet = await self._claims.reserve(bet_key, call.transaction)
        _require_bet(bet, call)
        attempt = bet.attempt if bet else 0
        ask = m.SettleBets(_round(currency), [_ref(bet_key, attempt)], [asked.player], [call.amount_minor])
        told = await self._ask(asked.shard, ask)
        match told.status:
            case Status.UNKNOWN_ROUND:
                await self._claims.release(bet_key, call.transaction)
                raise _Refused(problem(Code.BET_NOT_FOUND, f"bet {call.bet} was never accepted"))
            case Status.CANCELLED:
                raise _Refused(problem(Code.BET_CANCELLED, f"bet {call.bet} was cancelled"))
            case Status.CONFLICT:
                raise _Refused(problem(Code.BET_SETTLED, f"bet {call.bet} was settled before"))
        return self._receipt(call.transaction, call.player, told, fresh=claim.fresh)

    async def _cancel(self, asked: _Asked, call: s.Cancel) -> s.Answer:
        claim = await self._claims.claim(asked.key, ClaimKind.CANCEL, call.bet, 0)
        _require_same(claim, ClaimKind.CANCEL, call.bet, 0, asked.key.id)
        bet_key = asked.key._replace(id=call.bet)
        bet = await self._claims.entomb(bet_key)
        if bet.kind not in {ClaimKind.DEBIT, ClaimKind.TOMBSTONE}:
            raise _Refused(problem(Code.CONFLICT, f"{call.bet} is a {bet.kind.name.lower()}, no bet"))
        told = await self._cancel_bet(asked, _ref(bet_key, bet.attempt))
        if told.status == Status.CONFLICT:
            raise _Refused(problem(Code.BET_SETTLED, f"bet {call.bet} was settled before"))
        if bet.kind is ClaimKind.TOMBSTONE and self.conventions.unknown_cancel is s.UnknownCancel.NOT_FOUND:
            raise _Refused(
                problem(Code.BET_NOT_FOUND, f"bet {call.bet} is unknown; if it comes late it will be refused")
            )
        return self._receipt(call.transaction, call.player, told, fresh=claim.fresh)

    async def _promo(self, asked: _Asked, call: s.Promo, currency: Currency) -> s.Answer:
        claim = await self._claims.claim(asked.key, ClaimKind.PROMO, "", call.amount_minor)
        _require_same(claim, ClaimKind.PROMO, "", call.amount_minor, asked.key.id)
        ref = _ref(asked.key, 0)
        ask = m.MoveCash([EntryKind.DEPOSIT], [ref], [asked.player], [call.amount_minor], currency)
        return self._receipt(call.transaction, call.player, await self._ask(asked.shard, ask), fresh=claim.fresh)

    def _receipt(self, transaction: str, player: str, told: _Told, *, fresh: bool) -> s.Receipt:
        if told.status == Status.CONFLICT:
            raise _Refused(problem(Code.CONFLICT, f"transaction {transaction} was used before for something else"))
        if told.status != Status.ACCEPTED:
            reason = Status(told.status).name.lower().replace("_", " ")
            raise _Refused(problem(Code.REFUSED, f"transaction {transaction}: {reason}", told.balance_minor))
        if not fresh and self.conventions.duplicate is s.Duplicate.ALREADY_EXISTS:
            raise _Refused(
                problem(Code.ALREADY_EXISTS, f"transaction {transaction} was done before", told.balance_minor)
            )
        return s.Receipt(transaction, player, told.balance_minor)

    async def _place(self, asked: _Asked, ref: bytes, currency: Currency, amount_minor: int) -> _Told:
        await self._require_window(asked.shard, currency)
        batch = m.BetBatch([ref], [asked.player], [_round(currency)], [0], [0], [amount_minor], [False])
        try:
            msg = await self._bus.request(f"wallet.{asked.shard}.bets", _encode(batch), timeout=ASK_S_MAX)
        except nats.errors.Error as error:
            raise OutcomeUnknownError(f"shard {asked.shard} did not answer within {ASK_S_MAX} s: {error}") from None
        answers = _decode_bets(msg.data)
        if answers.overloaded:
            raise _Refused(
                problem(Code.OVERLOADED, f"shard {asked.shard} is overloaded; nothing happened, send it again")
            )
        return _Told(answers.status[0], answers.balance[0])

    async def _cancel_bet(self, asked: _Asked, ref: bytes) -> _Told:
        return await self._ask(asked.shard, m.CancelBets([ref], [asked.player], [False]))

    async def _ask(self, shard: int, ask: m.ControlRequest) -> _Told:
        reply = await ask_wallet(self._bus, shard, ask, m.Answers, ASK_S_MAX)
        if isinstance(reply, m.Refused):
            raise OperationalError(f"shard {shard} refused {type(ask).__name__}: {reply.reason}")
        return _Told(reply.status[0], reply.balance[0])

    async def _require_window(self, shard: int, currency: Currency) -> None:
        """Open the standing round of a currency in a shard, once for as long as this process lives."""
        if (shard, currency) in self._standing:
            return
        window = m.OpenWindow(_round(currency), 0, EPOCH, ACCEPT_UNTIL_UNIX_NS)
        for ask, expected in ((m.Fence(TABLE, EPOCH), m.Done), (window, m.Sequenced)):
            reply = await ask_wallet(self._bus, shard, ask, expected, ASK_S_MAX)
            if isinstance(reply, m.Refused):
                raise OperationalError(f"the standing round of {currency.name} cannot open: {reply.reason}")
        self._standing.add((shard, currency))

    async def _account(self, player: int) -> m.Balance:
        reply = await ask_wallet(self._bus, shard_of(player, self._shards), m.GetBalance(player), m.Balance, ASK_S_MAX)
        if isinstance(reply, m.Refused):
            raise OperationalError(f"the balance of player {player} cannot be read: {reply.reason}")
        if not reply.known:
            raise _Refused(problem(Code.UNKNOWN_PLAYER, f"player {player} has no account"))
        return reply

    async def _currency(self, player: int) -> Currency:
        """Return the currency of a player's account, which never changes."""
        known = self._currencies.get(player)
        if known is None:
            known = Currency((await self._account(player)).currency)
            if len(self._currencies) >= CURRENCIES_KEPT_MAX:
                del self._currencies[next(iter(self._currencies))]
            self._currencies[player] = known
        return known

    async def _require_currency(self, player: int, code: str) -> Currency:
        currency = await self._currency(player)
        if code != currency.name:
            raise _Refused(
                problem(Code.WRONG_CURRENCY, f"currency {code}: the account of player {player} is in {currency.name}")
            )
        return currency


def _round(currency: Currency) -> int:
    return round_id(TABLE, currency)


def _ref(key: Key, attempt: int) -> bytes:
    """Return the ledger's id of a transaction: 128 bits of a hash over everything that makes it unique."""
    return hashlib.sha256(f"seamless\n{key.provider}\n{key.id}\n{attempt}".encode()).digest()[:16]


def _player(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= ACCOUNT_MAX):
        raise _Refused(problem(Code.UNKNOWN_PLAYER, f"player {text!r} has no account"))
    return int(text)


def _require_same(claim: Claim, kind: ClaimKind, subject: str, amount: int, transaction: str) -> None:
    if (claim.kind, claim.subject, claim.amount) != (kind, subject, amount):
        before = f"{claim.kind.name.lower()} of {claim.amount}" + (f" for {claim.subject}" if claim.subject else "")
        raise _Refused(problem(Code.CONFLICT, f"transaction {transaction} was used before: {before}"))


def _require_bet(bet: Bet | None, call: s.Credit) -> None:
    if bet is None or bet.kind not in {ClaimKind.DEBIT, ClaimKind.TOMBSTONE}:
        raise _Refused(problem(Code.BET_NOT_FOUND, f"bet {call.bet} is unknown"))
    if bet.kind is ClaimKind.TOMBSTONE:
        raise _Refused(problem(Code.BET_CANCELLED, f"bet {call.bet} was cancelled before it came"))
    if bet.ended_by != call.transaction:
        raise _Refused(problem(Code.BET_SETTLED, f"bet {call.bet} belongs to credit {bet.ended_by}"))
