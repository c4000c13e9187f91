"""``services``: the light roles that one machine runs in one process: relays, audit, balancer, HTTP."""

import secrets
from pathlib import Path

from reference_impl.accounts.follower import Follower
from reference_impl.accounts.keeper import SessionKeeper
from reference_impl.accounts.operators import Operators
from reference_impl.accounts.orders import Orders
from reference_impl.accounts.passwords import Passwords
from reference_impl.accounts.players import Players
from reference_impl.accounts.presence import Presence
from reference_impl.accounts.sessions import Sessions
from reference_impl.accounts.store import Store
from reference_impl.api.app import Api
from reference_impl.api.services import ApiConfig, Services
from reference_impl.audit.trail import Audit
from reference_impl.balancer.balancer import Balancer
from reference_impl.balancer.decisions import Shifted, line_of
from reference_impl.balancer.placer import Placer
from reference_impl.balancer.reports import Reports
from reference_impl.domain.balancing.policies import Decision
from reference_impl.domain.lobby import Lobby
from reference_impl.domain.records import PLACEMENTS
from reference_impl.stack.node import Node, Role
from reference_impl.wallet.relay import Relay


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring, config, bus = node.wiring, node.wiring.config, node.bus
    lines, reports = node.lines("decisions"), Reports(bus)

    def log(made: Decision | Shifted) -> None:
        lines.append(line_of(made))

    uniform = secrets.SystemRandom().random
    placer = Placer(bus, reports, uniform, node.records(PLACEMENTS).append, log, config.balancing)
    balancing = [] if config.balancers else [Balancer(bus, reports, node.name, log)]
    told = ApiConfig(
        port=wiring.api_port,
        shards=config.shards,
        tables=config.tables,
        limits=config.limits,
        games=config.games,
        ticket_secret=wiring.ticket_secret,
        playback_secret=wiring.playback_secret,
        live_url=f"ws://127.0.0.1:{wiring.live_port}" if config.edges else "",
        admin_token=wiring.admin_token,
        dsns=wiring.dsns,
        seamless_secrets=wiring.seamless_secrets,
        conventions=config.seamless,
        lab_url=f"http://127.0.0.1:{wiring.lab_port}" if config.lab else "",
    )
    store = Store(wiring.dsns[0])
    passwords = Passwords(store, config.password_cost)
    sessions = Sessions(store, wiring.token_secret, config.idle_s)
    presence = Presence(store, config.reality_check_s, config.acknowledge_s)
    relays = [Relay(shard, dsn, bus) for shard, dsn in enumerate(wiring.dsns)]
    audit = Audit(Path(wiring.audit_dir), config.shards, bus)
    keeper = SessionKeeper(store, passwords, sessions, presence, config.shards, bus)
    answering = Services(
        told, Players(store, passwords), sessions, presence, Operators(store, passwords), Orders(store), placer,
        Lobby(), bus,
    )  # fmt: skip
    return [*relays, audit, placer, *balancing, keeper, Follower(store, bus), Api(store, answering)]
