"""What a system is made of, said once: sizes, addresses, secrets."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.bets.dealer_outcomes import FEED_S_MAX
from reference_impl.domain.balancing.policies import Balancing
from reference_impl.domain.bets import TableLimits
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import DEFAULT_GAMES, game_at, game_named
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.seamless import Conventions
from reference_impl.stack.sightings import SIGHTINGS
from reference_impl.streaming.config import HEADLESS_LADDERS, VideoConfig

SECRETS_VARIABLE = "LIVETABLE_SEAMLESS_SECRETS"
"""Environment variable with the secret of each game provider: a JSON object. Without it nobody may call."""

Count = Annotated[int, Meta(ge=1, le=1000)]

LAB = "lab"
"""The process beside the roles that starts campaigns and strikes faults, if there is one."""


class LabConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the control room starts campaigns and strikes faults with.

    Parameters
    ----------
    module : str
        Its ``build(node)`` returns the process's roles; load is no part of the system, so the system only has its name.
    runs_dir : str
        Where runs are kept.
    campaigns_dir : str
        A folder of campaign files that can be started beside the shipped ones; empty means none.
    """

    module: str
    runs_dir: str
    campaigns_dir: str = ""


class StackConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for.

    Parameters
    ----------
    tables, gateways, shards : int
        Size of the system.
    edges : int
        Edges that serve video; 0 means that there is no video at all.
    balancers : int
        Balancers with processes of their own, of which one balances; 0 means that the light roles' process does.
    balancing : Balancing
        Which policies choose gateways and edges.
    video : VideoConfig
        What the studios film.
    timing, timings : Timing, tuple of Timing
        Every table's timings, or those of tables 1, 2, … in turn.
    games : tuple of str
        The tables' games, dealt out to tables 1, 2, … in turn.
    collecting : tuple of int
        Tables at which bets are pending until no more are taken, and a player's are then debited together.
    feed_dir : str
        Where devices write outcomes, ``table-N.jsonl`` for table `N`; empty means that outcomes are drawn from
        committed seeds.
    feed_s_max : float
        A device that says nothing for so long after the close has failed: the round is void.
    stake_minor_min, stake_minor_max : int
        Every table's limits of one bet.
    dsns : tuple of str
        One PostgreSQL database a shard, empty ones at first; none means an embedded server.
    nats_url : str
        A NATS server with JetStream; empty means an embedded one.
    api_port : int
        Port of the HTTP API; 0 means any free one.
    data_dir : str
        Where servers keep their data; empty means a temporary folder that is removed afterwards.
    record_dir : str
        Where services append their records; empty means below the data.
    password_cost : PasswordCost
        Argon2id cost of players' passwords.
    idle_s : float
        A player who does nothing for so long logs in again.
    reality_check_s : float
        A player is reminded so often of the time and the money that a session took; 0 means never.
    acknowledge_s : float
        A session whose reminder is not acknowledged for so long ends.
    seamless : Conventions
        How the seamless wallet behaves where providers disagree. Who may call it is told by the environment alone
        (:data:`SECRETS_VARIABLE`), since a configuration is kept with every run.
    lab : LabConfig, optional
        The process that starts campaigns and strikes faults when operators say so; without it nobody can.
    """

    tables: Count = 2
    gateways: Count = 2
    shards: Count = 2
    edges: Annotated[int, Meta(ge=0, le=1000)] = 2
    balancers: Annotated[int, Meta(ge=0, le=9)] = 0
    balancing: Balancing = Balancing()
    video: VideoConfig = VideoConfig()
    timing: Timing = Timing()
    timings: tuple[Timing, ...] = ()
    games: Annotated[tuple[str, ...], Meta(min_length=1)] = DEFAULT_GAMES
    collecting: tuple[int, ...] = ()
    feed_dir: str = ""
    feed_s_max: Annotated[float, Meta(gt=0)] = FEED_S_MAX
    stake_minor_min: Annotated[int, Meta(ge=1)] = 10
    stake_minor_max: Annotated[int, Meta(ge=1)] = 1_000_000
    dsns: tuple[str, ...] = ()
    nats_url: str = ""
    api_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    data_dir: str = ""
    record_dir: str = ""
    password_cost: PasswordCost = PasswordCost()
    idle_s: Annotated[float, Meta(gt=0.0)] = 1800.0
    reality_check_s: Annotated[float, Meta(ge=0.0)] = 3600.0
    acknowledge_s: Annotated[float, Meta(gt=0.0)] = 300.0
    seamless: Conventions = Conventions()
    lab: LabConfig | None = None

    def __post_init__(self) -> None:
        if self.dsns and len(self.dsns) != self.shards:
            raise ConfigError(f"{len(self.dsns)} DSNs were given for {self.shards} shards; give one a shard")
        if self.stake_minor_min > self.stake_minor_max:
            raise ConfigError(f"stake_minor_min {self.stake_minor_min} is above stake_minor_max {self.stake_minor_max}")
        for name in self.games:
            game_named(name)
        for table in self.collecting:
            if not 1 <= table <= self.tables:
                raise ConfigError(f"collecting names table {table}; there are tables 1 to {self.tables}")

    @property
    def limits(self) -> dict[int, TableLimits]:
        """The limits of each table."""
        return {
            table: TableLimits(self.stake_minor_min, self.stake_minor_max, len(game_at(self.games, table).spots))
            for table in range(1, self.tables + 1)
        }


class Wiring(Struct, frozen=True, kw_only=True):
    """What children need to know: the configuration resolved to addresses, ports and secrets.

    It is handed over in a file that only its owner may read, and never logged.
    """

    config: StackConfig
    dsns: list[str]
    nats_url: str
    record_dir: str
    audit_dir: str
    api_port: int
    gateway_ports: list[int]
    origin_port: int
    live_port: int
    edge_ports: list[int]
    lab_port: int
    sightings_path: str
    metrics_ports: dict[str, int]
    ticket_secret: bytes
    token_secret: bytes
    playback_secret: bytes
    ingest_key: str
    admin_token: str
    seamless_secrets: dict[str, str]

    @property
    def origins(self) -> tuple[str, ...]:
        """Where the pages are served from, by either name of the loopback."""
        return tuple(f"http://{host}:{self.api_port}" for host in ("127.0.0.1", "localhost"))

    def save(self, path: Path) -> None:
        """Write it for children to read, and nobody else."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> "Wiring":
        """Read what :meth:`save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


def resolve(config: StackConfig, dsns: list[str], nats_url: str, folder: Path, port: Callable[[], int]) -> Wiring:
    """Return the wiring of a system that is about to start, with fresh secrets and ports from `port`."""
    return Wiring(
        config=config,
        dsns=dsns,
        nats_url=nats_url,
        record_dir=config.record_dir or str(folder / "records"),
        audit_dir=str(folder / "audit"),
        api_port=config.api_port or port(),
        gateway_ports=[port() for _ in range(config.gateways)],
        origin_port=port(),
        live_port=port(),
        edge_ports=[port() for _ in range(config.edges)],
        lab_port=port() if config.lab else 0,
        sightings_path=str(folder / SIGHTINGS),
        metrics_ports={name: port() for name in plan(config)},
        ticket_secret=secrets.token_bytes(32),
        token_secret=secrets.token_bytes(32),
        playback_secret=secrets.token_bytes(32),
        ingest_key=secrets.token_urlsafe(24),
        admin_token=secrets.token_urlsafe(24),
        seamless_secrets=_parse_secrets(os.environ.get(SECRETS_VARIABLE, "")),
    )


def filmed_as(ladder: str) -> VideoConfig:
    """Return what studios film with one of the :data:`reference_impl.streaming.config.HEADLESS_LADDERS`."""
    return VideoConfig(ladder=HEADLESS_LADDERS[ladder])


def plan(config: StackConfig) -> list[str]:
    """Return the names of the processes, in the order in which they start.

    The light roles (relays, audit, api, and the balancer unless it has processes of its own) share ``services``.
    """
    wallets = [f"wallet-{shard}" for shard in range(config.shards)]
    gateways = [f"gateway-{number}" for number in range(config.gateways)]
    balancers = [f"balancer-{number}" for number in range(config.balancers)]
    lab = [LAB] if config.lab else []
    return [*wallets, "services", *balancers, *gateways, *_video_plan(config), *lab, "dealer"]


def _video_plan(config: StackConfig) -> list[str]:
    if config.edges == 0:
        return []
    edges = [f"edge-{number}" for number in range(config.edges)]
    studios = [f"studio-{table}" for table in range(1, config.tables + 1)]
    return ["origin", *edges, *studios]


def _parse_secrets(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text else {}
    except msgspec.MsgspecError:  # says nothing of the text, which is secret
        raise ConfigError(f'{SECRETS_VARIABLE}: must be a JSON object such as {{"provider": "secret"}}') from None
