"""What a load worker writes down while it runs: records that survive its death.

An operation's INVOKE record is on its way to the disk before the operation is sent. So whatever the system did has a
trace on the client's side, even if the worker dies: an operation without a RETURN record is *unknown*.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadtest.operations import Operation
from reference_impl.domain.records import (
    CLIPS,
    GENERATOR,
    OPS,
    PUSHES,
    SESSIONS,
    VIDEO,
    CacheState,
    FetchKind,
    OpEvent,
    Outcome,
    PushKind,
    Switch,
)
from reference_impl.stack.recording import RecordFile


class Returned(NamedTuple):
    """How an operation ended, as the client saw it."""

    outcome: Outcome
    return_ns: int
    kernel_ns: int = 0
    status: int = 0
    balance: int = 0
    version: int = 0
    shard: int = -1
    seq: int = 0


_NOT_YET = Returned(Outcome.UNKNOWN, 0)


class Push(NamedTuple):
    """A message that came unasked, or a bet that a payment names; fields as in its record."""

    session: int
    connection: int
    table: int
    epoch: int
    kind: PushKind
    seq: int
    round_id: int
    phase: int
    outcome: int
    commitment: int
    seed: int
    op: bytes
    amount_minor: int
    balance_minor: int
    version: int
    media_unix_ns: int
    kernel_ns: int
    app_ns: int


@dataclass(slots=True)
class Seat:
    """A player's open connection, for its record when it ends."""

    session: int
    connection: int
    gateway: int
    table: int
    account: int
    opened_ns: int


class Fetched(NamedTuple):
    """A viewer's fetch: what, when, how it ended, and how playback was after it."""

    viewer: int
    table: int
    edge: int
    rendition: int
    kind: FetchKind
    msn: int
    part: int
    size_bytes: int
    due_ns: int
    start_ns: int
    first_byte_ns: int
    end_ns: int
    status: int
    cache: CacheState
    media_ns: int
    buffer_ms: int
    latency_ms: int
    stalled_ms: int
    switched: Switch


class Clip(NamedTuple):
    """A part that is kept for its picture."""

    viewer: int
    table: int
    rendition: int
    msn: int
    part: int
    arrived_ns: int
    shown_ns: int

    @property
    def file_name(self) -> str:
        """Name of the file that holds it, init section first."""
        return f"{CLIPS.name}-{self.viewer}-{self.msn}.{self.part}.mp4"


class Recorder:
    """The record files of one load worker.

    Parameters
    ----------
    record_dir : Path
        Where the files are.
    worker : int
        The worker's number, in the files' names.
    """

    def __init__(self, record_dir: Path, worker: int) -> None:
        self.worker = worker
        self._folder = record_dir
        self.operations = 0
        self.missed = 0
        self.start_lag_ns_max = 0
        self._ops = RecordFile(record_dir / f"{OPS.name}-w{worker}.bin", OPS, unbuffered=True)
        self._pushes = RecordFile(record_dir / f"{PUSHES.name}-w{worker}.bin", PUSHES)
        self._sessions = RecordFile(record_dir / f"{SESSIONS.name}-w{worker}.bin", SESSIONS)
        self._video = RecordFile(record_dir / f"{VIDEO.name}-w{worker}.bin", VIDEO)
        self._clips = RecordFile(record_dir / f"{CLIPS.name}-w{worker}.bin", CLIPS)
        self._generator = RecordFile(record_dir / f"{GENERATOR.name}-w{worker}.bin", GENERATOR)

    def invoke(self, op: Operation, now_ns: int) -> None:
        """Record an attempt; to be called before it is sent."""
        if op.attempt == 1:
            self.operations += 1
        self._write(op, OpEvent.INVOKE, now_ns, _NOT_YET)

    def returned(self, op: Operation, returned: Returned) -> None:
        """Record an operation's end."""
        self._write(op, OpEvent.RETURN, 0, returned)

    def refused(self, op: Operation, now_ns: int) -> None:
        """Record an operation that was due and was never sent."""
        self._write(op, OpEvent.INVOKE, now_ns, Returned(Outcome.REFUSED, 0))
        self._write(op, OpEvent.RETURN, 0, Returned(Outcome.REFUSED, now_ns))

    def push(self, push: Push) -> None:
        """Record a message that came unasked."""
        self._pushes.append(*push)

    def push_packed(self, record: bytes) -> None:
        """Record a message that came unasked, packed as :data:`reference_impl.domain.records.PUSHES` says."""
        self._pushes.append_packed(record)

    def session_ended(self, seat: Seat, closed_ns: int, close_code: int) -> None:
        """Record a connection that ended."""
        self._sessions.append(
            seat.session, seat.connection, seat.gateway, seat.table, seat.account,
            seat.opened_ns, closed_ns, close_code,
        )  # fmt: skip

    def fetched(self, row: Fetched) -> None:
        """Record a viewer's fetch."""
        self._video.append(*row)

    def clip(self, clip: Clip, fragment: bytes) -> None:
        """Keep a part that can be decoded by itself."""
        (self._folder / clip.file_name).write_bytes(fragment)
        self._clips.append(*clip)

    def health(
        self, now_ns: int, users: int, lag_ns_max: int, cpu_ns: int, clock_offset_ns: int = 0, clock_error_ns: int = -1
    ) -> None:
        """Record the worker's own health and hand buffered records over."""
        self._generator.append(
            now_ns, self.worker, users, lag_ns_max, cpu_ns, self.operations, self.missed, self.start_lag_ns_max,
            clock_offset_ns, clock_error_ns,
        )  # fmt: skip
        self.start_lag_ns_max = 0
        for file in (self._pushes, self._sessions, self._video, self._clips, self._generator):
            file.flush()

    def close(self) -> None:
        """Write what is buffered and close the files."""
        for file in (self._ops, self._pushes, self._sessions, self._video, self._clips, self._generator):
            file.close()

    def _write(self, op: Operation, event: OpEvent, invoke_ns: int, end: Returned) -> None:
        self._ops.append(
            op.ref, event, min(op.attempt, 255), end.outcome, end.status,
            op.kind, op.gateway, op.session, op.connection, op.table, op.window,
            op.selection, op.currency, end.shard, op.account, op.round_id, op.amount_minor,
            op.due_ns, invoke_ns, end.return_ns, end.kernel_ns,
            end.balance, end.version, end.seq,
        )  # fmt: skip
