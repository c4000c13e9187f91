"""The Run: a folder of parquet tables and a manifest, the same shape whether it was measured or simulated.

Invariants
----------
* A Run has exactly the tables and columns of :data:`reports.columns.TABLES`; a table that was not written is empty.
* Equal input gives equal bytes: no dates, no row order of chance, sorted keys.
* Frames handed out are shared; readers do not change them.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reference_impl.domain.errors import ConfigError
from reports.columns import TABLES, Column

SCHEMA_VERSION: Final = 2
MANIFEST: Final = "manifest.json"
VERSIONED: Final = (
    "numpy", "pandas", "pyarrow", "numba", "simpy", "matplotlib", "locust", "picows", "asyncpg", "nats-py",
)  # fmt: skip

_DEFAULTS: Final[dict[str, Any]] = {
    "cpu_affinity": {},
    "clock_offsets": {},
    "capabilities": {},
    "limits": {},
    "not_modelled": [],
    "started_unix_ns": 0,
    "load_start_ns": 0,
    "load_end_ns": 0,
    "exit_reason": "finished",
    "twin": None,
    "label": "",
    "people": {},
    "pace": "open",
    "impossible_faults": {},
    "host_load": [],
}


class Run:
    """A Run that was opened.

    Parameters
    ----------
    path : Path
        Its folder.
    manifest : dict
        What ``manifest.json`` says.
    tables : mapping, optional
        Tables that are known already; others are read when they are asked for.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], tables: Mapping[str, pd.DataFrame] | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._tables: dict[str, pd.DataFrame] = dict(tables or {})

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.manifest.get('kind')})"

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; an empty one, with the right dtypes, if the Run has no such file."""
        if name not in self._tables:
            self._tables[name] = _read_table(self.path, name)
        return self._tables[name]

    def with_table(self, name: str, table: pd.DataFrame) -> "Run":
        """Return the same Run with another table of this name; nothing on disk changes."""
        return Run(self.path, self.manifest, {**self._tables, name: table})

    @property
    def ops(self) -> pd.DataFrame:
        """Client operations."""
        return self.table("ops")

    @property
    def pushes(self) -> pd.DataFrame:
        """Messages that clients received unasked."""
        return self.table("pushes")

    @property
    def rounds(self) -> pd.DataFrame:
        """Rounds and their phases' instants."""
        return self.table("rounds")

    @property
    def ledger(self) -> pd.DataFrame:
        """The journal of every shard."""
        return self.table("ledger")

    @property
    def accounts(self) -> pd.DataFrame:
        """Balances when the ledger was exported."""
        return self.table("accounts")

    @property
    def limits(self) -> pd.DataFrame:
        """Limits that players set for themselves."""
        return self.table("limits")

    @property
    def orders(self) -> pd.DataFrame:
        """What an operator asked of the ledger."""
        return self.table("orders")

    @property
    def audit(self) -> pd.DataFrame:
        """The journal as the audit trail tells it."""
        return self.table("audit")

    @property
    def nodes(self) -> pd.DataFrame:
        """Load of every process, once a second."""
        return self.table("nodes")

    @property
    def resources(self) -> pd.DataFrame:
        """What every process held, every few seconds."""
        return self.table("resources")

    @property
    def sessions(self) -> pd.DataFrame:
        """Client connections."""
        return self.table("sessions")

    @property
    def generator(self) -> pd.DataFrame:
        """Health of the load workers, once a second."""
        return self.table("generator")

    @property
    def faults(self) -> pd.DataFrame:
        """What was broken on purpose."""
        return self.table("faults")

    @property
    def video(self) -> pd.DataFrame:
        """What the viewers fetched, and how their playback was."""
        return self.table("video")

    @property
    def glass(self) -> pd.DataFrame:
        """Frames that say themselves when they were taken."""
        return self.table("glass")

    @property
    def drops(self) -> pd.DataFrame:
        """Frames that studios were too late for."""
        return self.table("drops")

    @property
    def placements(self) -> pd.DataFrame:
        """Who was sent where."""
        return self.table("placements")

    @cached_property
    def twin(self) -> "Run | None":
        """The simulated Run that belongs to this one, if there is one."""
        named = self.manifest.get("twin")
        return open_run(self.path / named) if named else None


def open_run(path: Path | str) -> Run:
    """Open a Run, following links such as ``runs/latest``.

    Raises
    ------
    ConfigError
        If the folder is no Run, or one of another schema version.
    """
    folder = Path(path).resolve()
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{path} is no Run: it has no readable {MANIFEST}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no Run: its {MANIFEST} is no JSON ({error})") from None
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise ConfigError(f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}")
    return Run(folder, manifest)


def write_run(path: Path | str, manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Run:
    """Write a Run; the folder may exist already.

    Raises
    ------
    ConfigError
        If a table or column is unknown, missing or of another dtype.
    """
    for name, frame in tables.items():
        _validate(name, frame)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        _write_table(folder, name, frame)
    _write_manifest(folder, {**manifest, "schema_version": SCHEMA_VERSION})
    return open_run(folder)


def update_manifest(run: Run, **changes: Any) -> Run:
    """Change entries of a Run's manifest on disk, such as ``twin``, and return the Run opened anew."""
    _write_manifest(run.path, {**run.manifest, **changes})
    return open_run(run.path)


def manifest_base(*, kind: str, name: str, campaign: Mapping[str, Any], seed: int, **facts: Any) -> dict[str, Any]:
    """Return a manifest with the facts of this host and program filled in.

    Parameters
    ----------
    kind : {"measured", "simulated"}
        Which world the Run comes from.
    name : str
        Name of the campaign.
    campaign : mapping
        The resolved configuration, plain JSON values.
    seed : int
        Seed of the scenario.
    **facts
        Any of: cpu_affinity, clock_offsets, capabilities, limits, not_modelled, started_unix_ns, load_start_ns,
        load_end_ns (in the Run's ns timeline), exit_reason, twin (path relative to the Run's folder, or None), label,
        people (each kind of user's accounts, as ranges of first and last), pace (of the bets: open, closed or mixed),
        impossible_faults (kinds of faults that the machine could not do, and why), host_load (each second
        CLOCK_MONOTONIC, busy time of all cores and time in which some task waited for one, all ns).
        `capabilities` maps what the target could record ("ledger", "rounds", "stages", "pushes", "messages", "orders",
        "audit", "seeds", "video") to a bool; checks that need what is not there are skipped. `limits` are the fields of
        the tables' :class:`reference_impl.domain.bets.TableLimits`; `not_modelled` names what a simulation leaves out.
        ``clock_offsets["error_ns"]`` bounds the error of instants converted from the wall clock, or from the clocks of
        other machines, of which ``clock_offsets["machines"]`` says more, worker by worker.

    Raises
    ------
    ConfigError
        If a fact or the kind is unknown.
    """
    if kind not in {"measured", "simulated"}:
        raise ConfigError(f"kind of a Run is {kind!r}, must be 'measured' or 'simulated'")
    if unknown := sorted(facts.keys() - _DEFAULTS.keys()):
        raise ConfigError(f"unknown manifest entry {unknown[0]!r}, known are {', '.join(_DEFAULTS)}")
    return {
        **_DEFAULTS,
        **facts,
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "name": name,
        "campaign": dict(campaign),
        "seed": seed,
        "commit": source_commit(),
        "versions": versions(),
        "host": {"name": platform.node(), **host_facts()},
    }


def empty_table(name: str) -> pd.DataFrame:
    """Return a table without rows, with the right dtypes."""
    return frame_of(name, {})


def frame_of(name: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of a Run from arrays, cast without loss; columns that are not given are 0 or empty.

    Raises
    ------
    ConfigError
        If a column is unknown or a value does not fit its dtype.
    """
    spec = _spec(name)
    if unknown := sorted(columns.keys() - spec.keys()):
        raise ConfigError(f"table {name} has no column {unknown[0]!r}")
    n = len(next(iter(columns.values()))) if columns else 0
    return pd.DataFrame(
        {key: _cast(name, key, column, columns.get(key), n) for key, column in spec.items()}, copy=False
    )


def _spec(name: str) -> dict[str, Column]:
    if name not in TABLES:
        raise ConfigError(f"unknown table {name!r}, a Run has {', '.join(TABLES)}")
    return TABLES[name]


def _cast(table: str, key: str, column: Column, values: Any, n: int) -> Any:
    if column.dtype == "str":
        return pd.Series([""] * n if values is None else list(values), dtype="str")
    if column.dtype == "list":
        lists = [[]] * n if values is None else values
        return pd.Series([np.asarray(row, dtype=np.int64) for row in lists], dtype=object)
    if values is None:
        return np.zeros(n, dtype=column.dtype)
    given = np.asarray(values)
    cast = given.astype(column.dtype)
    if not np.array_equal(cast, given):
        wrong = given[cast != given][0]
        raise ConfigError(f"table {table}: {key} is {wrong}, which does not fit {column.dtype}")
    return cast


def _validate(name: str, frame: pd.DataFrame) -> None:
    spec = _spec(name)
    if missing := [key for key in spec if key not in frame.columns]:
        raise ConfigError(f"table {name} lacks column {missing[0]!r}")
    if unknown := [key for key in frame.columns if key not in spec]:
        raise ConfigError(f"table {name} has no column {unknown[0]!r}")
    for key, column in spec.items():
        expected = {"list": "object"}.get(column.dtype, column.dtype)
        if str(frame[key].dtype) != expected:
            raise ConfigError(f"table {name}: column {key} is {frame[key].dtype}, must be {expected}")


def _arrow_type(column: Column) -> pa.DataType:
    if column.dtype == "list":
        return pa.list_(pa.int64())
    return pa.string() if column.dtype == "str" else pa.from_numpy_dtype(np.dtype(column.dtype))


def _write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    spec = _spec(name)
    arrays = [pa.array(frame[key].to_numpy(), type=_arrow_type(column)) for key, column in spec.items()]
    schema = pa.schema([(key, _arrow_type(column)) for key, column in spec.items()])
    integers = [key for key, column in spec.items() if column.dtype.startswith("int")]
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        folder / f"{name}.parquet",
        compression="zstd",
        use_dictionary=[key for key in spec if key not in integers],
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
    )


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    spec = _spec(name)
    file = folder / f"{name}.parquet"
    if not file.exists():
        return empty_table(name)
    frame: pd.DataFrame = pq.read_table(file).to_pandas()
    if list(frame.columns) != list(spec):
        raise ConfigError(f"{file} has columns {', '.join(frame.columns)}; this program reads {', '.join(spec)}")
    return frame


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest)


def write_json(file: Path, content: Any) -> None:
    """Write JSON for people and programs: indented, keys sorted, one newline at the end."""
    file.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def source_commit() -> str:
    """Return the commit of the source tree that this program runs from, empty if it runs from none."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries on which results may depend."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def host_facts() -> dict[str, Any]:
    """Return what this machine is, without its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpus": os.cpu_count(),
        "cpu_model": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "system": platform.system(),
    }
