"""Whatever the HTTP API's own description allows, and much that it does not: no call breaks it.

Schemathesis draws calls from the OpenAPI document, well-formed and malformed ones. No answer may be a server error, and
every answer that succeeds must be what the document says.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from table_client import Player, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1000, closing_soon_ms=400, dealing_ms=300, pause_ms=200, flush_ms_max=300)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
PLAYERS = 40
"""They take turns, so that none of them asks too often."""
BEHIND_THE_DOOR = {
    "/v1/lobby", "/v1/rules", "/v1/placement", "/v1/limits", "/v1/limits/{kind}", "/v1/statement", "/v1/statement.csv",
    "/v1/session", "/v1/session/acknowledge", "/v1/admin/players", "/v1/admin/operators", "/v1/admin/desk",
    "/v1/admin/orders", "/v1/admin/tables/stop", "/v1/admin/tables/go", "/v1/admin/players/{player}/disable",
    "/v1/admin/control",
}  # fmt: skip
"""What must have been answered with success at least once; otherwise only the door was tried."""
ENDS_THE_SESSION = {"/v1/logout", "/v1/admin/logout"}
"""After these every call is refused at the door, and nothing behind it would be tried."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=1, gateways=1, edges=0, timing=TIMING, password_cost=cost)) as running:
        await open_players(running, *range(1, PLAYERS + 1))
        yield running


@pytest.mark.parametrize("examples", [8, pytest.param(400, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
async def test_no_call_breaks_the_api_and_answers_are_as_documented(stack: Stack, examples: int) -> None:
    players = [Player(stack, number) for number in range(1, PLAYERS + 1)]
    await asyncio.gather(*(player.log_in() for player in players))
    api = schemathesis.openapi.from_url(f"{stack.api_url}/v1/schema/openapi.json")
    tokens = itertools.cycle([player.token for player in players])
    answered = await asyncio.to_thread(try_all, api, stack.admin_token, tokens, examples)
    assert {path for path, statuses in answered.items() if 200 in statuses or 201 in statuses} >= BEHIND_THE_DOOR


def try_all(
    api: schemathesis.BaseSchema, operator: str, tokens: Iterator[str], examples: int
) -> dict[str, Counter[int]]:
    """Return the statuses of all answers by path."""
    answered = {}
    for found in api.get_all_operations():
        operation = found.ok()
        if operation.path in ENDS_THE_SESSION:
            continue
        own = itertools.repeat(operator) if operation.path.startswith("/v1/admin") else tokens
        answered[operation.path] = Counter[int]()
        for mode in GenerationMode:
            try_one(operation, mode, own, examples, answered[operation.path])
    return answered


def try_one(
    operation: schemathesis.APIOperation,
    mode: GenerationMode,
    tokens: Iterator[str],
    examples: int,
    statuses: Counter[int],
) -> None:
    @seed(1)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {next(tokens)}"})
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    with suppress(Unsatisfiable):  # what takes nothing has no malformed form
        one()
