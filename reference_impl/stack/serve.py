"""Running a system for people: its addresses on the screen, and an account to play with."""

import asyncio
import json
import secrets
import signal
import sys
import urllib.error
import urllib.request

from reference_impl.domain.errors import OperationalError
from reference_impl.domain.games.catalogue import game_at
from reference_impl.stack.config import SECRETS_VARIABLE, StackConfig
from reference_impl.stack.stack import Stack

GUEST = 1_000_000_000
"""The guest's number: far from those of load, which begin at 1."""
GUEST_DEPOSIT_MINOR = 100_000
OPEN_S_MAX = 15.0
TABLES_TOLD_MAX = 12


async def serve(config: StackConfig) -> None:
    """Run a system until SIGINT or SIGTERM; print its addresses."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    async with Stack(config, _say) as stack:
        _say(f"play     {stack.api_url}/   {await _invite(stack)}")
        _say(f"tables   {', '.join(f'{table} {name}' for table, name in _games(config))}")
        _say(f"API      {stack.api_url}/v1/lobby   (OpenAPI: {stack.api_url}/v1/schema)")
        _say(f"wallet   {stack.api_url}/v1/seamless   {_callers(stack)}")
        _say(f"operate  {stack.api_url}/operator   {await _appoint(stack)}")
        _say(f"control  {stack.api_url}/control   (the operator's log-in{_more(config)})")
        _say(f"admin    token {stack.admin_token}")
        _say(f"ledger   {' '.join(stack.dsns)}")
        _say(f"records  {stack.record_dir}")
        _say(f"metrics  {stack.metrics_targets_path}   (targets for Prometheus)")
        _say("Ctrl-C stops everything")
        await stop.wait()
        _say("stopping")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the command's output


def _games(config: StackConfig) -> list[tuple[int, str]]:
    """Return what is played at the first tables."""
    return [(table, game_at(config.games, table).name) for table in range(1, min(config.tables, TABLES_TOLD_MAX) + 1)]


def _more(config: StackConfig) -> str:
    return "; it starts campaigns and strikes faults" if config.lab else ""


def _callers(stack: Stack) -> str:
    """Return who may call the seamless wallet; never with what."""
    names = ", ".join(stack.seamless_providers)
    return f"for {names}" if names else f"for nobody: {SECRETS_VARIABLE} is not set"


async def _invite(stack: Stack) -> str:
    """Open a player's account; return how to log in."""
    if stack.config.data_dir:
        return "log in as a player whom you opened"  # data that outlives us gets no player with a password on screen
    password = secrets.token_urlsafe(6)
    player = {"id": GUEST, "name": "guest", "password": password, "deposit_minor": GUEST_DEPOSIT_MINOR}
    await asyncio.to_thread(open_players, stack, [player])
    return f"log in as guest, password {password}"


async def _appoint(stack: Stack) -> str:
    """Register an operator; return how to log in."""
    if stack.config.data_dir:
        return "log in as an operator whom you registered (POST /v1/admin/operators)"
    password = secrets.token_urlsafe(9)
    await asyncio.to_thread(_order, stack, "operators", {"name": "operator", "password": password})
    return f"log in as operator, password {password}"


def open_players(stack: Stack, players: list[dict[str, object]]) -> None:
    """Register players and open their accounts through the API.

    Raises
    ------
    OperationalError
        If the API refuses or does not answer.
    """
    _order(stack, "players", {"players": players})


def _order(stack: Stack, path: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own API on loopback
        f"{stack.api_url}/v1/admin/{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {stack.admin_token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=OPEN_S_MAX):  # noqa: S310 - our own API on loopback
            pass
    except urllib.error.URLError as error:
        raise OperationalError(f"the API did not take {path}: {error}") from None
