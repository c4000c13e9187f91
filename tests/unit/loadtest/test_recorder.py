"""Operations leave their trace before they are sent, whatever happens to the worker."""

import signal
import subprocess
import sys
from pathlib import Path

from loadtest.operations import COUNT_MAX, Operation, operation_id
from loadtest.recorder import Clip, Fetched, Push, Recorder, Returned, Seat
from reference_impl.domain.records import (
    CLIPS,
    GENERATOR,
    OPS,
    PUSHES,
    SESSIONS,
    STAGES,
    VIDEO,
    CacheState,
    FetchKind,
    OpEvent,
    OpKind,
    Outcome,
    PushKind,
    Switch,
)
from reports.convert import operations, read_records

WORKER = """
import os, signal, sys
from pathlib import Path
from loadtest.operations import Operation, operation_id
from loadtest.recorder import Recorder
from reference_impl.domain.records import OpKind
recorder = Recorder(Path(sys.argv[1]), 3)
for counter in range(1, 1001):
    op = Operation(operation_id(1, 2, counter), OpKind.BET, 2, 2, 1, counter, attempt=1)
    recorder.invoke(op, counter)
os.kill(os.getpid(), signal.SIGKILL)
"""


def a_bet(counter: int = 1) -> Operation:
    return Operation(
        operation_id(9, 2, counter), OpKind.BET, 2, 2, 1, 100, round_id=55, window=0, selection=4, amount_minor=300,
        currency=978, attempt=1, connection=1, gateway=1,
    )  # fmt: skip


def test_invocations_survive_sigkill_of_the_worker(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WORKER, str(tmp_path)], check=False, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    rows = read_records(tmp_path, OPS)
    assert rows["due_ns"].tolist() == list(range(1, 1001))
    assert set(rows["event"].tolist()) == {OpEvent.INVOKE}


def test_answered_lost_and_refused_operations_become_their_outcomes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    answered, lost, refused = a_bet(1), a_bet(2), a_bet(3)
    refused.attempt = 0
    recorder.invoke(answered, 110)
    answered.attempt = 2
    recorder.invoke(answered, 120)
    recorder.invoke(lost, 130)
    recorder.refused(refused, 140)
    recorder.returned(answered, Returned(Outcome.OK, 150, 149, 1, 99_700, 2, 1, 17))
    recorder.close()
    table = operations(read_records(tmp_path, OPS), read_records(tmp_path, STAGES))
    assert table["outcome"].tolist() == [Outcome.OK, Outcome.UNKNOWN, Outcome.REFUSED]
    row = table.iloc[0]
    assert (row["attempts"], row["invoke_ns"], row["return_ns"], row["seq"]) == (2, 110, 150, 17)
    assert recorder.operations == 2


def test_pushes_sessions_and_health_reach_the_disk_every_second(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    push = Push(2, 1, 1, 1, PushKind.TABLE, 8, 55, 2, -1, 3, 0, b"", 0, 0, 0, 0, 7, 9)
    recorder.push(push)
    recorder.session_ended(Seat(2, 1, 0, 1, 2, 5), 6, 1006)
    recorder.health(1_000, 4, 22, 33)
    (row,) = read_records(tmp_path, PUSHES)
    assert tuple(value for name, value in zip(row.dtype.names, row.tolist(), strict=True) if name != "op") == (
        *push[:11], *push[12:],
    )  # fmt: skip
    assert read_records(tmp_path, SESSIONS)["close_code"].tolist() == [1006]
    assert read_records(tmp_path, GENERATOR)["lag_ns_max"].tolist() == [22]
    recorder.close()


def test_operation_ids_of_all_sessions_differ_and_fit_63_bits() -> None:
    ids = {operation_id(1, session, counter) for session in (1, 2, 2**31 - 1) for counter in (1, 2, COUNT_MAX)}
    assert len(ids) == 9
    assert all(int.from_bytes(ref[8:], "big") < 2**63 for ref in ids)


def test_fetches_and_clips_of_viewers_reach_the_disk(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 1)
    row = Fetched(
        7, 2, 1, 0, FetchKind.PART, 1_866_666, 3, 30_000, 5, 6, 7, 8, 200, CacheState.COALESCED, 4, 640, 980, 0,
        Switch.WORSE,
    )  # fmt: skip
    recorder.fetched(row)
    clip = Clip(7, 2, 0, 1_866_666, 3, 8, 900)
    recorder.clip(clip, b"init and part")
    recorder.close()
    assert read_records(tmp_path, VIDEO).tolist() == [tuple(row)]
    assert read_records(tmp_path, CLIPS).tolist() == [tuple(clip)]
    assert (tmp_path / clip.file_name).read_bytes() == b"init and part"
