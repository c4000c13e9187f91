"""Who may call: signatures over the exact body, fresh timestamps, and sessions where they matter."""

import msgspec

from loadtest.adapters.seamless import Seen
from loadtest.kit.story import Misbehaved, Story
from reference_impl.domain.seamless import (
    HEADER_PROVIDER,
    HEADER_SIGNATURE,
    HEADER_TIMESTAMP,
    Authenticate,
    Code,
)

BEYOND_MS = 5_000
LARGE_BYTES = 256 * 1024


def a_false_signature_is_refused(story: Story) -> None:
    """A call with a wrong, a missing, or another call's signature is refused and moves nothing."""
    ann, before = story.ann, story.ann.balance()
    client = story.wallet.client
    call = ann.promo(100)
    body = msgspec.json.encode(call)
    genuine = client.headers("promo", body)
    digit = "1" if genuine[HEADER_SIGNATURE][0] == "0" else "0"
    nameless = {name: value for name, value in genuine.items() if name != HEADER_SIGNATURE}
    for what, headers in (
        ("one digit of the signature changed", genuine | {HEADER_SIGNATURE: digit + genuine[HEADER_SIGNATURE][1:]}),
        ("no signature", nameless),
        ("an empty signature", genuine | {HEADER_SIGNATURE: ""}),
        ("another body's signature", client.headers("promo", body, signs=("promo", body + b" "))),
        ("a debit's signature", client.headers("promo", body, signs=("debit", body))),
        ("a provider that does not exist", genuine | {HEADER_PROVIDER: f"nobody-{story.prefix}"}),
    ):
        _untrusted(story, what, body, headers, Code.BAD_SIGNATURE)
    ann.holds(before, "promos with false signatures")


def a_changed_body_is_refused(story: Story) -> None:
    """A body that was changed after it was signed is refused: an amount, or white space."""
    ann, before = story.ann, story.ann.balance()
    client = story.wallet.client
    body = msgspec.json.encode(ann.promo(100))
    headers = client.headers("promo", body)
    for what, changed in (
        ("an amount changed after signing", body.replace(b":100", b":900")),
        ("a blank added after signing", body + b" "),
    ):
        _untrusted(story, what, changed, headers, Code.BAD_SIGNATURE)
    ann.holds(before, "promos changed after signing")


def a_stale_timestamp_is_refused(story: Story) -> None:
    """A call signed longer ago than the window is refused, and so is one whose timestamp was renewed unsigned."""
    ann, before = story.ann, story.ann.balance()
    client = story.wallet.client
    body = msgspec.json.encode(ann.promo(100))
    old = str(client.now_ms() - story.profile.conventions.window_ms - BEYOND_MS)
    headers = client.headers("promo", body, old)
    _untrusted(story, "a timestamp older than the window", body, headers, Code.STALE_TIMESTAMP)
    renewed = headers | {HEADER_TIMESTAMP: str(client.now_ms())}
    _untrusted(story, "an old signature under a new timestamp", body, renewed, Code.BAD_SIGNATURE)
    ann.holds(before, "promos that were signed long ago")


def a_future_timestamp_is_refused(story: Story) -> None:
    """A call signed further ahead than the window is refused, or it could be kept for later."""
    ann, before = story.ann, story.ann.balance()
    client = story.wallet.client
    body = msgspec.json.encode(ann.promo(100))
    ahead = str(client.now_ms() + story.profile.conventions.window_ms + BEYOND_MS)
    headers = client.headers("promo", body, ahead)
    _untrusted(story, "a timestamp ahead of the window", body, headers, Code.STALE_TIMESTAMP)
    ann.holds(before, "promos from the future")


def a_timestamp_within_the_window_is_accepted(story: Story) -> None:
    """Clocks differ: half a window early or late is fine."""
    ann, expected = story.ann, story.ann.balance()
    client = story.wallet.client
    half_ms = story.profile.conventions.window_ms // 2
    for offset_ms in (-half_ms, half_ms):
        call = ann.promo(5)
        body = msgspec.json.encode(call)
        headers = client.headers("promo", body, str(client.now_ms() + offset_ms))
        expected += 5
        seen = story.note(f"promo signed {offset_ms:+d} ms off", client.send("promo", body, headers))
        story.require_done(call, seen, expected)


def a_body_that_is_no_call_is_refused(story: Story) -> None:
    """A signed body that is no JSON, no object, incomplete, or far too large is refused by a status of the 4xx kind."""
    ann, before = story.ann, story.ann.balance()
    client = story.wallet.client
    whole = msgspec.json.encode(ann.promo(100))
    large = whole[:-1] + b" " * LARGE_BYTES + b"}"
    for what, body in (
        ("no JSON", b"{"), ("a list", b"[]"), ("nothing", b""), ("bytes that are no text", b"\xff\xfe"),
        ("an object without fields", b"{}"), (f"{LARGE_BYTES // 1024} KiB", large),
    ):  # fmt: skip
        seen = story.note(f"promo with {what}", client.send("promo", body, client.headers("promo", body)))
        hung_up = seen.status == 0 and len(body) > LARGE_BYTES  # one need not read a large body
        if not hung_up and not 400 <= seen.status < 500:
            raise Misbehaved(
                f"promo with {what}: expected a refusal of the 4xx kind, got {seen} {seen.text} [{seen.request}]"
            )
    ann.holds(before, "bodies that are no calls")


def a_false_launch_token_is_refused(story: Story) -> None:
    """Nobody is authenticated by a token that was never issued."""
    story.refused(Authenticate(f"never-issued-{story.prefix}"), Code.SESSION_EXPIRED, Code.UNKNOWN_PLAYER)


def a_debit_needs_a_session(story: Story) -> None:
    """A debit with an expired session, or with another player's, is refused and takes nothing."""
    ann, before = story.ann, story.ann.balance()
    for session in (_dead(story), story.bob.player.session):
        story.refused(ann.debit(100, session=session), Code.SESSION_EXPIRED)
    ann.holds(before, "debits without a session")


def a_debit_sent_again_after_the_session_expired_gets_its_answer(story: Story) -> None:
    """Whoever was not told what became of a debit must learn it, however late: a repetition needs no living session."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    first = story.done(bet, before - 100)
    story.same(ann.debit(100, bet.transaction, session=_dead(story)), first)
    ann.holds(before - 100, "a debit sent again after the session expired")


def a_credit_after_the_session_expired_is_paid(story: Story) -> None:
    """A player who closed the game is still owed his win."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.credit(bet.transaction, 350, session=_dead(story)), before + 250)
    ann.holds(before + 250, "a credit after the session expired")


def a_cancel_after_the_session_expired_returns_the_stake(story: Story) -> None:
    """A rollback needs no living session."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.cancel(bet.transaction, session=_dead(story)), before)
    ann.holds(before, "a cancel after the session expired")


def _dead(story: Story) -> str:
    return story.profile.expired_session or f"never-was-{story.prefix}"


def _untrusted(story: Story, what: str, body: bytes, headers: dict[str, str], code: Code) -> Seen:
    told = f"promo with {what}"
    return story.require_refused(told, story.note(told, story.wallet.client.send("promo", body, headers)), code)


CASES = (
    a_false_signature_is_refused,
    a_changed_body_is_refused,
    a_stale_timestamp_is_refused,
    a_future_timestamp_is_refused,
    a_timestamp_within_the_window_is_accepted,
    a_body_that_is_no_call_is_refused,
    a_false_launch_token_is_refused,
    a_debit_needs_a_session,
    a_debit_sent_again_after_the_session_expired_gets_its_answer,
    a_credit_after_the_session_expired_is_paid,
    a_cancel_after_the_session_expired_returns_the_stake,
)
