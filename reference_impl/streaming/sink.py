"""Where a role puts the records that it writes while it runs."""

from typing import Protocol


class Sink(Protocol):
    """Takes a record's fields in the order of its layout."""

    def append(self, *fields: int) -> None:
        """Append one record."""
