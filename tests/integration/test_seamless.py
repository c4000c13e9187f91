"""The seamless wallet of the running system, held to the kit's rules over HTTP, NATS and PostgreSQL."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey

from loadtest.kit.conformance import Conformance, check
from loadtest.kit.players import open_test_players
from loadtest.kit.profile import Profile
from reference_impl.accounts.players import ISSUER, PasswordCost
from reference_impl.domain.seamless import (
    Conventions,
    Duplicate,
    LateDebit,
    RejectedRetry,
    UnknownCancel,
)
from reference_impl.domain.seamless_signature import Hmac
from reference_impl.stack.config import SECRETS_VARIABLE, StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = secrets.token_hex(16)
OTHERWISE = Conventions(
    duplicate=Duplicate.ALREADY_EXISTS,
    late_debit=LateDebit.NO_EFFECT,
    unknown_cancel=UnknownCancel.NOT_FOUND,
    rejected_retry=RejectedRetry.EVALUATED_AGAIN,
)


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[Conventions(), OTHERWISE], ids=["default", "other"]
)
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    os.environ[SECRETS_VARIABLE] = json.dumps({"lab": SECRET})
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=1, gateways=1, edges=0, password_cost=cost, seamless=request.param)) as running:
        del os.environ[SECRETS_VARIABLE]
        yield running


def url_of(stack: Stack) -> str:
    return f"{stack.api_url}/v1/seamless"


async def run_kit(stack: Stack, **more: object) -> Conformance:
    tokens = await asyncio.to_thread(open_test_players, stack.api_url, stack.admin_token, 2, 100_000)
    player = jwt.decode(tokens[0], OctKey.import_key(stack._known.token_secret), algorithms=["HS256"]).claims["sub"]
    claims = {"iss": ISSUER, "sub": player, "iat": 0, "exp": int(time.time()) - 1}
    expired = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(stack._known.token_secret))
    profile = Profile(conventions=stack.config.seamless, expired_session=expired)
    return await asyncio.to_thread(check, url_of(stack), profile, Hmac(SECRET), tokens, seed=7, **more)


async def test_our_wallet_passes_every_case_of_the_kit(stack: Stack) -> None:
    result = await run_kit(stack)
    assert [f"{case.name}: {case.message}" for case in result.cases if case.verdict != "pass"] == []
    assert len(result.cases) > 40
