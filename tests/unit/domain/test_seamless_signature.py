"""Signatures: over the exact body, the call and the timestamp."""

import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.seamless import HTTP_STATUS, Code
from reference_impl.domain.seamless_signature import Hmac, judge, signed_message

KEY = Hmac("a secret of sixteen or more")
NOW_MS = 1_700_000_000_000


def verdict(timestamp: str = str(NOW_MS), call: str = "debit", body: bytes = b"{}", signature: str = "") -> Code | None:
    return judge(
        KEY, timestamp, call, body, signature or KEY.sign(signed_message(timestamp, "debit", b"{}")), NOW_MS, 30_000
    )


def test_the_signature_is_the_one_that_the_documents_state() -> None:
    import hashlib  # noqa: PLC0415 - the independent way, beside ours
    import hmac  # noqa: PLC0415

    theirs = hmac.digest(b"a secret of sixteen or more", b"1700000000000.debit.{}", hashlib.sha256).hex()
    assert verdict(signature=theirs) is None


@pytest.mark.parametrize("changed", [{"call": "promo"}, {"body": b"{ }"}, {"signature": "00"}, {"signature": "é"}])
def test_a_signature_is_of_one_call_and_one_body(changed: dict[str, object]) -> None:
    assert verdict(**changed) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [(-30_000, None), (30_000, None), (-30_001, Code.STALE_TIMESTAMP), (30_001, Code.STALE_TIMESTAMP)],
)
def test_the_window_is_closed_at_both_ends(offset_ms: int, expected: Code | None) -> None:
    assert verdict(str(NOW_MS + offset_ms)) is expected


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e12", "٣" * 13, "9" * 40])
def test_a_signed_timestamp_that_is_no_number_is_stale(timestamp: str) -> None:
    assert verdict(timestamp) is Code.STALE_TIMESTAMP


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="has 5 bytes, at least 16") as caught:
        Hmac("horse")
    assert "horse" not in str(caught.value)


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(Code)
