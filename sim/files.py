"""Files that people name: read as what they should hold, or refused in one line."""

from pathlib import Path
from typing import TypeVar

import msgspec

from reference_impl.domain.errors import ConfigError

T = TypeVar("T")


def read_as(kind: type[T], path: Path, what: str) -> T:
    """Return what a JSON file holds; `what` is the name of what it should be.

    Raises
    ------
    ConfigError
        If the file cannot be read, or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: no {what}: {error}") from None
