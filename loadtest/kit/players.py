"""Test players of the reference implementation: opened through its admin API, each with a launch token."""

import secrets

from loadtest.adapters.http import JsonClient
from reference_impl.domain.ids import PLAYER_ID_MAX
from reference_impl.domain.money import Currency

PLAYERS_A_CALL = 100  # each password is hashed slowly on purpose: a call must not take minutes
CALL_S_MAX = 60.0


def open_test_players(
    api_url: str, admin_token: str, count: int, deposit_minor: int, currency: Currency = Currency.EUR
) -> list[str]:
    """Open new players with a deposit each; return a launch token for each of them.

    Parameters
    ----------
    api_url : str
        The reference implementation's HTTP address.
    admin_token : str
        The operator's token.
    count : int
        How many players.
    deposit_minor : int
        What each of them has, in minor units.
    currency : Currency
        Of their accounts.

    Raises
    ------
    OperationalError
        If the API refuses or does not answer.
    """
    first = PLAYER_ID_MAX // 2 + secrets.randbelow(PLAYER_ID_MAX // 4)  # far from the numbers that people choose
    password = secrets.token_urlsafe(12)
    tokens = []
    with JsonClient(api_url, CALL_S_MAX) as client:
        for start in range(first, first + count, PLAYERS_A_CALL):
            numbers = range(start, min(start + PLAYERS_A_CALL, first + count))
            players = [_player(number, password, deposit_minor, currency) for number in numbers]
            client.post("/v1/admin/players", {"players": players}, admin_token)
            for player in players:
                token = client.post("/v1/login", {"name": player["name"], "password": password})["token"]
                tokens.append(str(token))
    return tokens


def _player(number: int, password: str, deposit_minor: int, currency: Currency) -> dict[str, str | int]:
    name = f"kit-{number}"
    return {
        "id": number,
        "name": name,
        "password": password,
        "deposit_minor": deposit_minor,
        "currency": int(currency),
    }
