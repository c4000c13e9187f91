"""Processes that something left behind."""

from pathlib import Path


def processes_below(folder: Path, aside: str = "") -> list[str]:
    """Command lines of living processes that name a folder; those that have the words `aside` in them do not count."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(folder) in command and not (aside and aside in command):
            found.append(command)
    return found
