"""Some rows of a table, column by column: nothing is copied before it is asked for.

Checks look at a few columns of millions of rows, and a table of thirty. Taking rows out of the whole table would cost
more than all checks together.
"""

from collections.abc import Mapping
from typing import Any, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class View:
    """Rows of a table, in any order, and columns that were computed beside them.

    Parameters
    ----------
    source : DataFrame or View
        The table.
    rows : array of int, shape (n,), or None
        Which of its rows; None means all of them.
    shown : tuple of str
        Columns of the table that a witness shows; empty means all of them.
    """

    def __init__(
        self,
        source: Union[pd.DataFrame, "View"],
        rows: npt.NDArray[np.int64] | None = None,
        shown: tuple[str, ...] = (),
    ) -> None:
        self._source = source
        self._rows = rows
        self._shown = shown
        self._columns: dict[str, Array] = {}
        self._more: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._source) if self._rows is None else len(self._rows)

    def __getitem__(self, name: str) -> Array:
        if name not in self._columns:
            column = self._source[name]
            values: Array = column if isinstance(column, np.ndarray) else column.to_numpy()
            self._columns[name] = values if self._rows is None else values[self._rows]
        return self._columns[name]

    def where(self, mask: Mask, *shown: str) -> "View":
        """Return the rows where `mask` holds."""
        return self.at(None if mask.all() else np.flatnonzero(mask), *shown)

    def at(self, rows: npt.NDArray[np.int64] | None, *shown: str) -> "View":
        """Return these rows."""
        if rows is None and not shown:
            return self
        return View(self, rows, shown or self.names)

    def adding(self, **columns: Array) -> "View":
        """Return the same rows with more columns beside them, which a witness shows too."""
        view = View(self, None, self.names)
        view._columns = dict(columns)
        view._more = tuple(columns)
        return view

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that a witness shows."""
        own = self._shown or (self._source.names if isinstance(self._source, View) else tuple(self._source.columns))
        return tuple(dict.fromkeys((*own, *self._more)))

    def frame(self, *names: str) -> pd.DataFrame:
        """Return columns as a table of its own, rows numbered from 0."""
        return pd.DataFrame({name: self[name] for name in names or self.names}, copy=False)

    def row(self, at: int) -> Mapping[str, Any]:
        """Return one row."""
        return {name: self[name][at] for name in self.names}
