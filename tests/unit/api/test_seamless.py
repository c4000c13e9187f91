"""Who may call the seamless wallet, before anything is carried out."""

import time

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.testing import TestClient

from loadtest.adapters.seamless import SeamlessClient
from reference_impl.api.seamless import BODY_BYTES_MAX, SeamlessDesk, router
from reference_impl.domain.seamless import Answer, Call, Conventions, Receipt
from reference_impl.domain.seamless_signature import Hmac
from reference_impl.stack.config import SECRETS_VARIABLE, StackConfig, resolve

SECRET = "a secret of sixteen or more"


class Obliging:
    """Carries out whatever is asked."""

    conventions = Conventions()

    def __init__(self) -> None:
        self.asked: list[tuple[str, Call]] = []

    async def answer(self, provider: str, call: Call, _now_unix_s: int) -> Answer:
        self.asked.append((provider, call))
        return Receipt("t", "1", 5)


def post(secrets: dict[str, str], body: bytes, call: str = "promo", signed_as: str = "") -> tuple[int, str, Obliging]:
    wallet = Obliging()
    app = Litestar([router()], state=State({"seamless": SeamlessDesk(wallet, secrets)}))
    headers = SeamlessClient("http://x", "lab", Hmac(SECRET), 1).headers(signed_as or call, body)
    with TestClient(app) as client:
        reply = client.post(f"/seamless/{call}", content=body, headers=headers)
    return reply.status_code, reply.json().get("code", ""), wallet


PROMO = b'{"player":"1","session":"","currency":"EUR","transaction":"t","amount_minor":5}'


def test_a_signed_call_is_carried_out_for_its_provider() -> None:
    status, _, wallet = post({"lab": SECRET}, PROMO)
    assert status == 200
    assert [provider for provider, _ in wallet.asked] == ["lab"]


@pytest.mark.parametrize("secrets", [{}, {"other": SECRET}, {"lab": "another secret, as long"}])
def test_nobody_calls_without_a_secret_of_his_own(secrets: dict[str, str]) -> None:
    assert post(secrets, PROMO)[:2] == (401, "BAD_SIGNATURE")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (PROMO.replace(b":5", b':"5"'), 400, "MALFORMED"),
        (PROMO.replace(b":5", b":5.0"), 400, "MALFORMED"),
        (PROMO.replace(b":5", b":true"), 400, "MALFORMED"),
        (PROMO.replace(b":5", b":-5"), 400, "MALFORMED"),
        (PROMO.replace(b":5", b":10000000000001"), 400, "MALFORMED"),
        (PROMO.replace(b"}", b',"more":1}'), 400, "MALFORMED"),
        (PROMO.replace(b'"t"', b'"../t"'), 400, "MALFORMED"),
        (PROMO.replace(b'"t"', b'"t\\n"'), 400, "MALFORMED"),
        (PROMO.replace(b"EUR", b"eur"), 400, "MALFORMED"),
        (PROMO + b" " * BODY_BYTES_MAX, 413, "TOO_LARGE"),
        (b"\xff", 400, "MALFORMED"),
        (b"[" * 10_000, 400, "MALFORMED"),
    ],
)
def test_what_is_no_call_is_refused_before_the_wallet_hears_of_it(body: bytes, status: int, code: str) -> None:
    seen = post({"lab": SECRET}, body)
    assert seen[:2] == (status, code)
    assert seen[2].asked == []


def test_a_signature_of_another_call_is_refused() -> None:
    assert post({"lab": SECRET}, PROMO, signed_as="debit")[:2] == (401, "BAD_SIGNATURE")


def test_secrets_come_from_the_environment_and_a_bad_one_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv(SECRETS_VARIABLE, '{"lab": "hunter2-hunter2-hunter2"}')
    assert resolve(StackConfig(), [], "", tmp_path, lambda: 1).seamless_secrets == {"lab": "hunter2-hunter2-hunter2"}
    monkeypatch.setenv(SECRETS_VARIABLE, "hunter2")
    with pytest.raises(Exception, match="must be a JSON object") as caught:
        resolve(StackConfig(), [], "", tmp_path, time.monotonic_ns)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__
