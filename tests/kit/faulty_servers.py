"""Wallets that keep honest books behind a door which is not: each is wrong in one thing."""

import time
from typing import Any

import msgspec

from loadtest.kit.example import ExampleWallet
from loadtest.kit.model import MoneyCall
from reference_impl.domain.seamless import (
    HEADER_TIMESTAMP,
    Answer,
    Authenticate,
    Call,
    Cancel,
    Code,
    Credit,
    Debit,
    Problem,
    problem,
)
from reference_impl.domain.seamless_signature import judge


class Unlocked(ExampleWallet):
    """No lock: whatever the rules leave open between reading and writing, others see."""

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, MoneyCall):
            return self.rules.apply(call)
        return super().carry_out(call)


class BlindToSignatures(ExampleWallet):
    """Signatures are not verified."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        refusal = super().judge(name, body, headers)
        return None if refusal is Code.BAD_SIGNATURE else refusal


class SignsReformattedBodies(ExampleWallet):
    """The signature is verified over the body as it is written again, not as it came."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        try:
            return super().judge(name, msgspec.json.encode(msgspec.json.decode(body)), headers)
        except msgspec.MsgspecError:
            return super().judge(name, body, headers)


class _AnyTime(ExampleWallet):
    def accepts(self, offset_ms: int) -> bool:
        raise NotImplementedError

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        verifier = self.verifiers.get(headers.get("X-Provider", ""))
        stamp = headers.get(HEADER_TIMESTAMP, "")
        now_ms = time.time_ns() // 1_000_000
        if verifier is None or not stamp.isdigit() or not self.accepts(int(stamp) - now_ms):
            return super().judge(name, body, headers)
        return judge(verifier, stamp, name, body, headers.get("X-Signature", ""), int(stamp), 1)


class AcceptsOldTimestamps(_AnyTime):
    """A captured call can be sent again for ever."""

    def accepts(self, offset_ms: int) -> bool:
        return offset_ms < 0


class AcceptsFutureTimestamps(_AnyTime):
    """A call can be signed ahead and kept."""

    def accepts(self, offset_ms: int) -> bool:
        return offset_ms > 0


class TightWindow(ExampleWallet):
    """The clock may be off by a second only."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        refusal = super().judge(name, body, headers)
        late_ms = abs(int(headers.get(HEADER_TIMESTAMP) or 0) - time.time_ns() // 1_000_000)
        return refusal or (Code.STALE_TIMESTAMP if late_ms > 1000 else None)


class WantsSessions(ExampleWallet):
    """Credits and cancels are refused once the session has expired."""

    kinds: tuple[type[Call], ...] = (Credit,)

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, self.kinds) and call.session not in self.tokens:
            return problem(Code.SESSION_EXPIRED, "the session has expired")
        return super().carry_out(call)


class WantsSessionsForCancels(WantsSessions):
    kinds = (Cancel,)


class NeedsNoSession(ExampleWallet):
    """A debit is taken under any session."""

    def carry_out(self, call: Call) -> Answer:
        return self.rules.apply(call) if isinstance(call, Debit) else super().carry_out(call)


class WantsSessionsForRepetitions(ExampleWallet):
    """A debit that was carried out is denied once the session has expired."""

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, Debit) and not self.is_session(call):
            return problem(Code.SESSION_EXPIRED, "the session has expired")
        return super().carry_out(call)


class ReadsAmountsLaxly(ExampleWallet):
    """Fractions are cut off and texts are read as numbers."""

    def answer(self, name: str, body: bytes, headers: Any) -> Answer:
        refusal = self.judge(name, body, headers)
        if name != "debit" or refusal:
            return super().answer(name, body, headers)
        raw = msgspec.json.decode(body)
        raw["amount_minor"] = abs(int(float(raw["amount_minor"] or 1)))
        return self.carry_out(msgspec.convert(raw, Debit))


class AdmitsAnybody(ExampleWallet):
    """A launch token that was never issued is the first player's."""

    def carry_out(self, call: Call) -> Answer:
        false = isinstance(call, Authenticate) and call.token not in self.tokens
        return super().carry_out(Authenticate(self.tokens[0]) if false else call)


class BreaksOnMalformedBodies(ExampleWallet):
    """What cannot be read is answered 503, so that the provider sends it for ever."""

    def answer(self, name: str, body: bytes, headers: Any) -> Answer:
        told = super().answer(name, body, headers)
        malformed = isinstance(told, Problem) and told.code is Code.MALFORMED
        return problem(Code.OUTCOME_UNKNOWN, "something broke") if malformed else told
