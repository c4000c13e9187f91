"""The whole system: servers, roles, addresses. The only place that wires."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import msgspec
import nats.errors

from reference_impl import bus
from reference_impl.domain.balance_messages import OPERATOR_EPOCH, Drain, Taken
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.games.catalogue import decision_windows_max
from reference_impl.domain.records import NODES, RESOURCES
from reference_impl.domain.units import KIB
from reference_impl.pulse import cost_of
from reference_impl.stack.config import StackConfig, Wiring, plan, resolve
from reference_impl.stack.embedded import EmbeddedNats, EmbeddedPostgres
from reference_impl.stack.exposition import save_targets
from reference_impl.stack.levers import STURDY, WAL_BYTES_MAX, Levers, Weakness
from reference_impl.stack.processes import end, free_port, require_free
from reference_impl.stack.recording import LineFile, RecordFile
from reference_impl.stack.resources import RESOURCES_S, held_by
from reference_impl.stack.sightings import SIGHTINGS, line_of, new_sightings
from reference_impl.stack.small_disk import unmount
from reference_impl.stack.supervisor import STOP_S_MAX, Child, Event, Supervisor, Unit
from reference_impl.stack.telemetry import family_of, node_record
from reference_impl.wallet.database import prepare_shard

FOLDER_PREFIX = "livetable-"
SAMPLE_S = 1.0
ORDER_S_MAX = 5.0


class Stack:
    """A running system.

    Parameters
    ----------
    config : StackConfig
        What it is made of.
    say : callable
        Told in plain words what happens.
    weakness : Weakness
        How it can be broken.

    Examples
    --------
    >>> async with Stack(StackConfig(tables=1)) as stack:  # doctest: +SKIP
    ...     print(stack.api_url)
    """

    def __init__(
        self, config: StackConfig, say: Callable[[str], None] = lambda _line: None, weakness: Weakness = STURDY
    ) -> None:
        self.config = config
        self._weakness = weakness
        self._levers: Levers | None = None
        self._doubles: dict[str, Child] = {}
        self._say = say
        self._supervisor = Supervisor(say, self._show)
        self._sightings: LineFile | None = None
        self._wiring: Wiring | None = None
        self._folder = Path(config.data_dir) if config.data_dir else Path()
        self._kept: dict[str, Path] = {}
        self._samplers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def wiring(self) -> Wiring:
        """What the processes were told, secrets included."""
        return self._known

    @property
    def api_url(self) -> str:
        """Address of the HTTP API."""
        return f"http://127.0.0.1:{self._known.api_port}"

    @property
    def admin_token(self) -> str:
        """What the administration's endpoints ask for."""
        return self._known.admin_token

    @property
    def seamless_providers(self) -> list[str]:
        """The game providers that may call the seamless wallet."""
        return list(self._known.seamless_secrets)

    @property
    def dsns(self) -> list[str]:
        """The shards' databases."""
        return self._known.dsns

    @property
    def nats_url(self) -> str:
        """The bus."""
        return self._known.nats_url

    @property
    def record_dir(self) -> Path:
        """Where services append their records."""
        return Path(self._known.record_dir)

    @property
    def metrics_urls(self) -> dict[str, str]:
        """Where each process tells its metrics."""
        return {name: f"http://127.0.0.1:{port}/metrics" for name, port in self._known.metrics_ports.items()}

    @property
    def metrics_targets_path(self) -> Path:
        """The file that names them all to Prometheus."""
        return self._folder / "metrics-targets.json"

    @property
    def log_paths(self) -> list[Path]:
        """What the processes wrote, a file each; gone after :meth:`stop` if the data is temporary."""
        return sorted(self._folder.glob("*.log"))

    @property
    def audit_dir(self) -> Path:
        """Where the audit trail is."""
        return Path(self._known.audit_dir)

    @property
    def node_names(self) -> list[str]:
        """Names of all processes."""
        return self._supervisor.names

    @property
    def events(self) -> list[Event]:
        """What the supervisor saw so far."""
        return self._supervisor.events

    def pid(self, name: str) -> int:
        """Return a process's id."""
        return self._supervisor.pid(name)

    def runs(self, name: str) -> bool:
        """Tell whether a process runs now."""
        return self._supervisor.runs(name)

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to a process, SIGKILL unless said otherwise; the supervisor starts again what dies."""
        os.kill(self._supervisor.pid(name), signal_number)

    @property
    def levers(self) -> Levers:
        """What breaks it, beside signals."""
        if self._levers is None:
            raise RuntimeError("the stack was not started")
        return self._levers

    @property
    def stop_signals(self) -> dict[str, signal.Signals]:
        """How each process is asked to end."""
        return self._supervisor.stop_signals

    async def start_double(self, name: str) -> None:
        """Start a second process of a role beside the first one, which nobody starts again.

        Raises
        ------
        OperationalError
            If it does not start, or if there is one already.
        """
        if name in self._doubles:
            raise OperationalError(f"there is a second {name} already")
        wiring = await self.levers.wiring_for(name, self._known)
        wiring = msgspec.structs.replace(wiring, metrics_ports={**wiring.metrics_ports, name: free_port()})
        self._doubles[name] = child = self._child(name, wiring, f"{name}-double")
        child.launch()
        if not await child.came_up():
            raise OperationalError(f"a second {name} did not start: {child.last_words()}")

    def end_double(self, name: str) -> None:
        """Kill a second process, if it still runs."""
        child = self._doubles.pop(name)
        if child.process is not None:
            end([(child.process, signal.SIGKILL)], STOP_S_MAX)

    async def start(self) -> None:
        """Start servers, then roles; return when the system serves.

        Raises
        ------
        ConfigError
            If a port is in use or a database cannot be used.
        OperationalError
            If something does not start.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything; remove what was temporary."""
        for sampler in self._samplers:
            sampler.cancel()
        for name in list(self._doubles):
            self.end_double(name)
        await self._supervisor.stop()
        if self._levers is not None:
            self._levers.remove()
        if not self.config.data_dir and self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    async def finish_rounds(self) -> None:
        """Start no new rounds; return when the running ones are settled or voided.

        Raises
        ------
        OperationalError
            If that takes longer than two full rounds.
        """
        timings = (self.config.timing, *self.config.timings)
        decisions = decision_windows_max(self.config.games)
        limit_s = 2 * max(timing.round_ms_max(decisions) + timing.pause_ms for timing in timings) / 1000
        client = await bus.connect(self.nats_url, "finish")
        try:
            await client.request("dealer.drain", b"", timeout=limit_s)
        except nats.errors.Error as error:
            raise OperationalError(f"the running rounds were not over after {limit_s:.0f} s: {error}") from None
        finally:
            await client.close()

    async def drain(self, gateway: str, drain_s_max: float, reason: str) -> int:
        """Have a gateway move its players elsewhere and end, to be started anew; return how many players.

        Raises
        ------
        OperationalError
            If it does not answer.
        """
        order = msgspec.msgpack.encode(Drain(OPERATOR_EPOCH, drain_s_max, reason))
        client = await bus.connect(self.nats_url, "drain")
        try:
            msg = await client.request(f"balance.order.{gateway}", order, timeout=ORDER_S_MAX)
        except nats.errors.Error as error:
            raise OperationalError(f"{gateway} did not take the order to drain: {error}") from None
        finally:
            await client.close()
        return msgspec.msgpack.decode(msg.data, type=Taken).players

    @property
    def _known(self) -> Wiring:
        if self._wiring is None:
            raise RuntimeError("the stack was not started")
        return self._wiring

    async def _start(self) -> None:
        config = self.config
        if config.api_port:
            require_free(config.api_port)
        if config.data_dir:
            self._folder.mkdir(parents=True, exist_ok=True)
        else:
            remove_orphans()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
        self._levers = Levers(self._weakness, self._folder)
        if config.lab:
            self._sightings = new_sightings(self._folder / SIGHTINGS)
        dsns, nats_url = list(config.dsns), config.nats_url
        if not dsns:
            self._say("starting PostgreSQL")
            postgres = self._postgres(self._levers)
            await self._supervisor.start(postgres)
            dsns = await self._create_databases(postgres)
        if not nats_url:
            self._say("starting NATS")
            server = EmbeddedNats(self._folder)
            self._kept["nats"] = self._folder / "jetstream"
            await self._supervisor.start(server)
            nats_url = server.url
        self._wiring = resolve(config, dsns, nats_url, self._folder, free_port)
        self.record_dir.mkdir(parents=True, exist_ok=True)
        await self._prepare_shards()
        self._say("starting the services")
        await self._start_children()
        self._samplers = [asyncio.create_task(watch()) for watch in (self._sample_servers, self._sample_resources)]

    def _show(self, event: Event, unit: Unit) -> None:
        """Let the processes beside us see what the supervisor saw."""
        if self._sightings is not None:
            self._sightings.append(line_of(event, unit))

    def _postgres(self, levers: Levers) -> EmbeddedPostgres:
        environment = levers.environment("postgres")
        self._kept["postgres"] = data = (levers.disk.path if levers.disk else self._folder) / "postgres"
        settings = {"max_wal_size": f"{WAL_BYTES_MAX // KIB}kB"} if levers.disk else {}
        return EmbeddedPostgres(self._folder, data, environment, settings)

    async def _create_databases(self, server: EmbeddedPostgres) -> list[str]:
        connection = await asyncpg.connect(server.dsn("postgres"))
        try:
            there = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for shard in range(self.config.shards):
                if f"livetable_{shard}" not in there:
                    await connection.execute(f"CREATE DATABASE livetable_{shard}")
        finally:
            await connection.close()
        return [server.dsn(f"livetable_{shard}") for shard in range(self.config.shards)]

    async def _prepare_shards(self) -> None:
        for shard, dsn in enumerate(self.dsns):
            try:
                await prepare_shard(dsn, shard)
            except (OSError, asyncpg.PostgresError, ValueError) as error:
                raise ConfigError(f"the database of shard {shard} cannot be used: {error}") from None

    async def _start_children(self) -> None:
        save_targets(self.metrics_targets_path, self._known.metrics_ports)
        children = [
            self._child(name, await self.levers.wiring_for(name, self._known), name) for name in plan(self.config)
        ]
        # The dealer comes last: the first round opens when everybody is there to see it.
        await self._supervisor.start(*children[:-1])
        await self._supervisor.start(children[-1])

    def _child(self, name: str, wiring: Wiring, file_name: str) -> Child:
        path = self._folder / f"wiring-{file_name}.json"
        wiring.save(path)
        log_path = self._folder / f"{file_name}.log"
        return Child(name, path, log_path, self.levers.environment(name), self.levers.command(name))

    async def _sample_servers(self) -> None:
        """Append NODES records for the servers, which cannot do so themselves."""
        records = RecordFile(self.record_dir / "nodes-servers.bin", NODES)
        try:
            while True:
                for name in ("postgres", "nats"):
                    try:
                        pid = self.pid(name)
                    except OperationalError:
                        continue
                    records.append(*node_record(name, pid, (0, 0, 0, 0), cost_of(*family_of(pid))))
                records.flush()
                await asyncio.sleep(SAMPLE_S)
        finally:
            records.close()

    async def _sample_resources(self) -> None:
        """Append RESOURCES records for every process."""
        records = RecordFile(self.record_dir / "resources-supervisor.bin", RESOURCES)
        try:
            while True:
                for name in self.node_names:
                    if not self.runs(name):
                        continue
                    pid, kept = self.pid(name), self._kept.get(name, self._folder / f"{name}.log")
                    held = await asyncio.to_thread(held_by, pid, kept)
                    if held.memory_bytes:  # it may have ended meanwhile
                        records.append(time.monotonic_ns(), name.encode(), pid, *held)
                records.flush()
                await asyncio.sleep(RESOURCES_S)
        finally:
            records.close()


def remove_orphans() -> None:
    """Remove temporary folders of systems whose process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            unmount(folder / "small-disk")
            shutil.rmtree(folder, ignore_errors=True)
