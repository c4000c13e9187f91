"""How records of a worker elsewhere reach its master: whole, in order, once, and never anywhere else."""

from pathlib import Path

import pytest

from loadtest.machines import PIECE_BYTES_MAX, Inbox, Machines, Outbox, Piece, machines_wanted
from reference_impl.domain.errors import ConfigError, RemoteProtocolError


@pytest.fixture
def worker_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "worker"
    folder.mkdir()
    return folder


@pytest.fixture
def master_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "master"
    folder.mkdir()
    return folder


def carry(outbox: Outbox, inbox: Inbox) -> None:
    for piece in outbox.pieces():
        outbox.received(piece.name, inbox.take(piece))


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)


def test_files_that_grow_arrive_byte_for_byte_a_piece_at_a_time(worker_dir: Path, master_dir: Path) -> None:
    outbox, inbox = Outbox(worker_dir), Inbox(master_dir)
    append(worker_dir / "ops-w3.bin", b"a" * PIECE_BYTES_MAX + b"b")
    append(worker_dir / "pushes-w3.bin", b"first")
    carry(outbox, inbox)
    assert not outbox.is_empty(), "what exceeds a piece is still here"
    append(worker_dir / "pushes-w3.bin", b" second")
    carry(outbox, inbox)
    assert outbox.is_empty()
    for name in ("ops-w3.bin", "pushes-w3.bin"):
        assert (master_dir / name).read_bytes() == (worker_dir / name).read_bytes()


def test_a_piece_that_comes_twice_changes_nothing(worker_dir: Path, master_dir: Path) -> None:
    outbox, inbox = Outbox(worker_dir), Inbox(master_dir)
    append(worker_dir / "ops-w0.bin", b"one")
    (piece,) = outbox.pieces()
    assert inbox.take(piece) == 3
    append(worker_dir / "ops-w0.bin", b"two")
    (longer,) = outbox.pieces()
    assert inbox.take(longer) == 6, "the acknowledgement of the first was lost"
    assert inbox.take(piece) == 6
    assert (master_dir / "ops-w0.bin").read_bytes() == b"onetwo"


def test_records_are_complete_when_the_last_file_and_all_that_it_names_are_there(
    worker_dir: Path, master_dir: Path
) -> None:
    outbox, inbox = Outbox(worker_dir), Inbox(master_dir)
    append(worker_dir / "ops-w1.bin", b"abc")
    (worker_dir / "video-w1.bin").touch()
    (worker_dir / "load_start").write_text("1")
    outbox.seal(1)
    pieces = {piece.name: piece for piece in outbox.pieces()}
    assert set(pieces) == {"ops-w1.bin", "delivered-w1.json"}
    inbox.take(pieces["delivered-w1.json"])
    assert not inbox.is_complete(1), "the operations are missing"
    inbox.take(pieces["ops-w1.bin"]._replace(data=b"ab"))
    assert not inbox.is_complete(1), "a byte of them is missing"
    inbox.take(pieces["ops-w1.bin"])
    assert inbox.is_complete(1)
    assert not inbox.is_complete(2)


@pytest.mark.parametrize(
    "name", ["../ops-w0.bin", "/etc/ops-w0.bin", "ops-w0/x.bin", "load_start", "", "ops-" + "w" * 99]
)
def test_a_name_that_is_none_of_records_is_refused(master_dir: Path, name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="no name of records"):
        Inbox(master_dir).take(Piece(name, 0, b"x"))
    assert not list(master_dir.parent.rglob("ops*"))


def test_a_link_under_a_record_files_name_is_not_followed(master_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"kept")
    (master_dir / "ops-w0.bin").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="ops-w0"):
        Inbox(master_dir).take(Piece("ops-w0.bin", 0, b"lost"))
    assert (tmp_path / "target").read_bytes() == b"kept"


def test_a_gap_and_a_piece_that_is_too_large_are_refused(master_dir: Path) -> None:
    with pytest.raises(RemoteProtocolError, match="from byte 5 on, only 0 are here"):
        Inbox(master_dir).take(Piece("ops-w0.bin", 5, b"x"))
    with pytest.raises(RemoteProtocolError, match=str(PIECE_BYTES_MAX + 1)):
        Inbox(master_dir).take(Piece("ops-w0.bin", 0, bytes(PIECE_BYTES_MAX + 1)))


def test_a_master_needs_a_target_and_the_number_of_its_workers_and_stays_on_loopback_unless_told() -> None:
    assert machines_wanted(2, "127.0.0.1", 5557, "http://there") == Machines(2)
    with pytest.raises(ConfigError, match="--target"):
        machines_wanted(2, "127.0.0.1", 5557, "")
    with pytest.raises(ConfigError, match="--expect-workers"):
        machines_wanted(None, "127.0.0.1", 5557, "http://there")
