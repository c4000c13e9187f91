"""Who plays whom: people are claimed in the order of their arrival by whichever worker has a user to spare.

However Locust spreads its users over workers, everybody is played exactly once.
"""

import os
from pathlib import Path


class SharedClaims:
    """Claims of workers that share a folder: each appends one byte to a file, and the byte's position is the place.

    Parameters
    ----------
    record_dir : Path
        The folder.
    """

    def __init__(self, record_dir: Path) -> None:
        self._file = os.open(record_dir / "claims", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __call__(self) -> int:
        """Return a place in the order of arrival that nobody else has, from 0."""
        os.write(self._file, b"*")
        return os.lseek(self._file, 0, os.SEEK_CUR) - 1
