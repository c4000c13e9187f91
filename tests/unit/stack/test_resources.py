"""What a process holds, told from outside."""

import subprocess
import sys

from reference_impl.stack.resources import held_by, size_bytes

MIB = 1 << 20
LEAKING = """
import os, sys
held, files = [], []
for _ in sys.stdin:
    held.append(b"x" * (8 << 20))
    files += [open(os.devnull) for _ in range(5)]
    print("more", flush=True)
"""


def test_memory_and_descriptors_that_a_process_keeps_are_seen(tmp_path):
    log = tmp_path / "leaking.log"
    log.write_bytes(b"x" * 1000)
    with subprocess.Popen([sys.executable, "-c", LEAKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        seen = []
        for _ in range(3):
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            seen.append(held_by(process.pid, log))
        process.stdin.close()
    assert 7 * MIB < seen[1].memory_bytes - seen[0].memory_bytes < 12 * MIB
    assert [one.descriptors - seen[0].descriptors for one in seen] == [0, 5, 10]
    assert seen[2].disk_bytes == 1000
    assert held_by(process.pid, log) == (0, 0, 1000)


def test_a_folder_is_as_large_as_its_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12")
    (tmp_path / "a" / "b" / "two").write_bytes(b"345")
    assert size_bytes(tmp_path) == 5
    assert size_bytes(tmp_path / "missing") == 0
