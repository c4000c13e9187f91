"""Which processes a configuration means."""

from pathlib import Path

import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.stack.config import LabConfig, StackConfig, plan, resolve


def test_video_processes_stand_before_the_dealer() -> None:
    assert plan(StackConfig(tables=2, gateways=1, shards=1, edges=1)) == [
        "wallet-0", "services", "gateway-0", "origin", "edge-0", "studio-1", "studio-2", "dealer"
    ]  # fmt: skip


def test_without_edges_there_is_no_video() -> None:
    assert plan(StackConfig(tables=2, gateways=1, shards=1, edges=0)) == ["wallet-0", "services", "gateway-0", "dealer"]


def test_the_lab_starts_before_the_first_round_and_listens_only_where_there_is_one() -> None:
    lab = LabConfig(module="some.module", runs_dir="/runs")
    config = StackConfig(tables=1, gateways=1, shards=1, edges=0, lab=lab)
    assert plan(config) == ["wallet-0", "services", "gateway-0", "lab", "dealer"]
    assert resolve(config, [""], "nats://", Path("/x"), lambda: 1).lab_port == 1
    assert resolve(StackConfig(), [""], "nats://", Path("/x"), lambda: 1).lab_port == 0


def test_every_listener_has_a_port_of_its_own() -> None:
    ports = iter(range(5000, 6000))
    wiring = resolve(StackConfig(), ["", ""], "nats://", Path("/x"), lambda: next(ports))
    used = [wiring.api_port, wiring.origin_port, wiring.live_port, *wiring.gateway_ports, *wiring.edge_ports]
    assert len(set(used)) == len(used) == 7


def test_every_start_has_secrets_of_its_own() -> None:
    one, other = (resolve(StackConfig(), [], "", Path("/x"), lambda: 1) for _ in range(2))
    for name in ("ticket_secret", "token_secret", "playback_secret", "ingest_key", "admin_token"):
        assert getattr(one, name) != getattr(other, name)


def test_limits_in_the_wrong_order_are_refused_with_both_values() -> None:
    with pytest.raises(ConfigError, match="stake_minor_min 9 is above stake_minor_max 8"):
        StackConfig(stake_minor_min=9, stake_minor_max=8)


def test_games_are_dealt_out_to_the_tables_in_turn() -> None:
    config = StackConfig(tables=3, games=("roulette", "baccarat"))
    assert [config.limits[table].n_selections for table in (1, 2, 3)] == [157, 5, 157]


def test_an_unknown_game_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="no game 'poker', known are roulette"):
        StackConfig(games=("poker",))


def test_only_tables_that_there_are_collect_bets() -> None:
    assert StackConfig(tables=2, collecting=(2,)).collecting == (2,)
    with pytest.raises(ConfigError, match="collecting names table 3; there are tables 1 to 2"):
        StackConfig(tables=2, collecting=(1, 3))
