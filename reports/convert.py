"""From what processes left behind to the tables of a Run.

Services and load workers append fixed-size records (:mod:`reference_impl.domain.records`); the ledger is exported as
CSV. Nothing here loops over rows.

Theory
------
An operation is one id, however often it was sent: its latency starts at the first attempt's due instant, its answer is
the last one received. Without an answer it is *unknown*, unless every single attempt was refused before sending.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from reference_impl.domain import records
from reference_impl.domain.ids import ROUND_NO_MAX
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import Layout, OpEvent, Outcome
from reference_impl.domain.video_records import DROPS
from reports.columns import TABLES
from reports.run import empty_table, frame_of

Records = npt.NDArray[np.void]
Integers = npt.NDArray[np.int64]

_OP_MASK = (1 << 63) - 1
_NUMPY_CODE = {"B": "u1", "b": "i1", "h": "<i2", "i": "<i4", "q": "<i8", "d": "<f8", "16s": (">u8", (2,))}
_ANSWER_FIELDS = ("gateway", "status", "shard", "balance", "version", "seq", "return_ns", "kernel_ns")
_WINDOW_COLUMNS = {
    "no_more_bets_ns": (Phase.NO_MORE_BETS, Phase.NO_MORE_DECISIONS),
    "bets_closed_ns": (Phase.BETS_CLOSED, Phase.DRAWING),
    "informative_ns": (Phase.DRAWING, Phase.DEALING),
}
_ROUND_COLUMNS = {
    "result_ns": (Phase.RESULT,),
    "settled_ns": (Phase.SETTLED, Phase.VOIDED),
}
_PLAIN = (
    records.NODES, records.RESOURCES, records.SESSIONS, records.GENERATOR, records.VIDEO, records.PLACEMENTS, DROPS,
)  # fmt: skip
_WINDOWS = {
    "shard": "int16", "round": "int64", "window": "int16", "opened_seq": "int64", "closed_seq": "int64",
    "accept_until_unix_ns": "int64", "closed_head": "str",
}  # fmt: skip
_DECISIONS = {"round": "int64", "void": "bool", "outcome": "int32", "game": "str", "seed": "str", "heads": "str"}


class ClockPair(NamedTuple):
    """One instant on both clocks of the host."""

    mono_ns: int
    unix_ns: int


def convert(record_dir: Path, export_dir: Path, n_shards: int, clock: tuple[int, int]) -> dict[str, pd.DataFrame]:
    """Return the tables of a Run.

    Parameters
    ----------
    record_dir : Path
        Where ``<layout>-<writer>.bin`` files are.
    export_dir : Path
        Where ``ledger-<shard>.csv``, ``audit-<shard>.csv`` and so on are; what is missing leaves its table empty.
    n_shards : int
        Wallet shards.
    clock : (mono_ns, unix_ns)
        One instant on both clocks, to place announced wall-clock instants on the Run's timeline.

    Returns
    -------
    dict of str to DataFrame
        Every table of :data:`reports.columns.TABLES`; ``faults`` and ``orders`` are empty, since whoever broke things
        and whoever gave orders knows them, and so is ``glass``, since pictures are read elsewhere.
    """
    ledger = _exported(export_dir, "ledger", {**_types("ledger"), "ref": "str"}, n_shards)
    audit = _exported(export_dir, "audit", {**_types("audit"), "ref": "str"}, n_shards)
    accounts, limits = (_exported(export_dir, name, _types(name), n_shards) for name in ("accounts", "limits"))
    tables = {
        "ops": operations(read_records(record_dir, records.OPS), read_records(record_dir, records.STAGES)),
        "rounds": _rounds(
            read_records(record_dir, records.PHASES),
            _exported(export_dir, "windows", _WINDOWS, n_shards),
            _exported(export_dir, "decisions", _DECISIONS, n_shards),
            n_shards,
            ClockPair(*clock),
        ),
        "ledger": _entries("ledger", ledger).sort_values(["shard", "seq"], ignore_index=True),
        "audit": _entries("audit", audit),
        "pushes": _pushes(read_records(record_dir, records.PUSHES), ClockPair(*clock)),
        "accounts": frame_of("accounts", {str(name): column for name, column in accounts.items()}),
        "limits": frame_of("limits", {str(name): column for name, column in limits.items()}),
        "faults": empty_table("faults"),
        "orders": empty_table("orders"),
        "glass": empty_table("glass"),
    }
    for layout in _PLAIN:
        tables[layout.name] = _plain(layout, read_records(record_dir, layout))
    return tables


def torn_records(record_dir: Path) -> dict[str, int]:
    """Return how many files of each layout end in a torn record, which a killed process may leave."""
    sizes = {layout: layout.packer.size for layout in records.LAYOUTS}
    torn = {
        layout.name: sum(file.stat().st_size % size > 0 for file in record_dir.glob(f"{layout.name}-*.bin"))
        for layout, size in sizes.items()
    }
    return {name: count for name, count in torn.items() if count}


def read_records(record_dir: Path, layout: Layout) -> Records:
    """Return all whole records of a layout, in order of file name and position; a torn last record is dropped."""
    dtype = record_dtype(layout)
    files = sorted(record_dir.glob(f"{layout.name}-*.bin"))
    parts = [np.fromfile(file, dtype=dtype, count=file.stat().st_size // dtype.itemsize) for file in files]
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def record_dtype(layout: Layout) -> np.dtype[np.void]:
    """Return the array type of a layout's records."""
    fields = [(name, *_code(code)) for name, code in layout.fields]
    return np.dtype(fields)


def operations(ops: Records, stages: Records) -> pd.DataFrame:
    """Return the ``ops`` table from INVOKE and RETURN records and the gateways' stage records."""
    op = _op(ops)
    order = np.lexsort((ops["attempt"], ops["event"], op))
    ops, op = ops[order], op[order]
    ids, first = np.unique(op, return_index=True)
    invoked = ops["event"] == OpEvent.INVOKE
    attempts = np.maximum(_count(ids, op[invoked]), 1)
    last = ops[first + attempts - 1]
    table: dict[str, Any] = {name: last[name] for name in ("session", "connection", "gateway", "table", "window")}
    start = ops[first]
    for name in ("kind", "account", "currency", "round", "selection", "amount", "due_ns", "invoke_ns"):
        table[name] = start[name]
    table |= {"op": ids, "attempts": attempts, "weight": np.ones(len(ids))}
    table |= _answers(ids, attempts, ops[~invoked], table["gateway"])
    table |= _stages(ids, table["gateway"], stages)
    return frame_of("ops", table)


def _answers(ids: Integers, attempts: Integers, returns: Records, gateway: Integers) -> dict[str, Any]:
    outcome = returns["outcome"]
    refusals = _count(ids, _op(returns[outcome == Outcome.REFUSED]))
    answers = returns[(outcome == Outcome.OK) | (outcome == Outcome.REJECTED)]
    answers = answers[np.argsort(answers["return_ns"], kind="stable")]
    row = _last_of(ids, _op(answers))
    known = row >= 0
    answer = answers[row[known]]
    columns: dict[str, Any] = {}
    for name in _ANSWER_FIELDS:
        columns[name] = np.full(len(ids), -1 if name == "shard" else 0, dtype=np.int64)
        columns[name][known] = answer[name]
    columns["gateway"] = np.where(known, columns["gateway"], gateway)
    columns["outcome"] = np.where(refusals >= attempts, Outcome.REFUSED, Outcome.UNKNOWN)
    columns["outcome"][known] = answer["outcome"]
    return columns


def _stages(ids: Integers, gateway: Integers, stages: Records) -> dict[str, Any]:
    names = [name for name, _ in records.STAGES.fields if name not in {"op", "gateway", "shard"}]
    columns: dict[str, Any] = {name: np.zeros(len(ids), dtype=np.int64) for name in (*names, "timelines")}
    if not len(ids):
        return columns
    op = _op(stages)
    where = np.minimum(np.searchsorted(ids, op), len(ids) - 1)
    answered_here = gateway[where] == stages["gateway"]
    order = np.lexsort((stages["received_ns"], answered_here))
    row = _last_of(ids, op[order])
    known = row >= 0
    for name in names:
        columns[name][known] = stages[name][order[row[known]]]
    columns["timelines"] = np.bincount(where[ids[where] == op], minlength=len(ids))
    return columns


def _rounds(
    phases: Records, windows: pd.DataFrame, decisions: pd.DataFrame, n_shards: int, clock: ClockPair
) -> pd.DataFrame:
    announced = pd.DataFrame({"round": np.unique(phases["round"]), "window": 0})
    keys = pd.concat([announced, windows[["round", "window"]].astype("int64")]).drop_duplicates()
    keys = keys.sort_values(["round", "window"], ignore_index=True)
    number = keys["round"].to_numpy(dtype=np.int64)
    columns: dict[str, Any] = {
        "table": number >> 32,
        "round": number,
        "round_no": number & ROUND_NO_MAX,
        "window": keys["window"],
    }
    columns |= _phase_instants(number, keys["window"].to_numpy(dtype=np.int64), phases, clock)
    columns |= _decided(number, decisions)
    spot = pd.MultiIndex.from_frame(keys).get_indexer(pd.MultiIndex.from_frame(windows[["round", "window"]]))
    windows["accept_until_n"] = _on_timeline(windows["accept_until_unix_ns"].to_numpy(), clock)
    for name in ("opened_seq", "closed_seq", "accept_until_n"):
        by_shard = np.zeros((len(keys), n_shards), dtype=np.int64)
        by_shard[spot, windows["shard"].to_numpy()] = windows[name].to_numpy()
        columns[f"{name}s"] = list(by_shard)
    closed: list[list[str]] = [[] for _ in range(len(keys))]
    for at, head in zip(spot, windows["closed_head"].fillna(""), strict=True):
        closed[at].append(head)
    columns["closed_heads"] = [";".join(filter(None, heads)) for heads in closed]
    return frame_of("rounds", columns)


def _phase_instants(number: Integers, window: Integers, phases: Records, clock: ClockPair) -> dict[str, Any]:
    phases = phases[np.argsort(phases["t_ns"], kind="stable")]
    own = _window_key(number, window)
    latest = _last_of(number, phases["round"])
    columns: dict[str, Any] = {"epoch": _taken(phases["epoch"], latest)}
    for name in ("opens_ns", "closes_ns", "first_close_ns", "last_close_ns"):
        source = name.replace("_ns", "_unix_ns")
        stated = phases[phases[source] > 0]
        instant = _taken(stated[source], _last_of(own, _window_key(stated["round"], stated["window"])))
        columns[name] = _on_timeline(instant, clock)
    for name, wanted in (_WINDOW_COLUMNS | _ROUND_COLUMNS).items():
        rows = phases[np.isin(phases["phase"], wanted)][::-1]
        if name in _WINDOW_COLUMNS:
            columns[name] = _taken(rows["t_ns"], _last_of(own, _window_key(rows["round"], rows["window"])))
        else:
            columns[name] = _taken(rows["t_ns"], _last_of(number, rows["round"]))
    return columns


def _window_key(number: Integers, window: Integers) -> Integers:
    return number.astype(np.int64) << 8 | window.astype(np.int64)


def _decided(number: Integers, decisions: pd.DataFrame) -> dict[str, Any]:
    row = _last_of(number, decisions["round"].to_numpy(dtype=np.int64))
    void = _taken(decisions["void"].to_numpy(dtype=np.int64), row) == 1
    outcome = _taken(decisions["outcome"].to_numpy(dtype=np.int64), row)
    texts = {name: [*decisions[name].fillna(""), ""] for name in ("game", "seed", "heads")}
    return {
        **{name: [values[at] for at in row] for name, values in texts.items()},
        "decision": np.select([row < 0, void], ["unknown", "void"], "outcome"),
        "outcome": np.where((row < 0) | void, -1, outcome),
    }


def _entries(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    ids = np.frombuffer(bytes.fromhex("".join(rows["ref"])), dtype=">u8").reshape(-1, 2)
    columns = {name: rows[name] for name in TABLES[table] if name != "op"}
    return frame_of(table, {**columns, "op": _low63(ids)})


def _pushes(rows: Records, clock: ClockPair) -> pd.DataFrame:
    columns = {name: rows[name] for name in TABLES["pushes"] if name not in {"op", "media_ns"}}
    media_ns = _on_timeline(rows["media_unix_ns"], clock)
    return frame_of("pushes", {**columns, "op": _op(rows), "media_ns": media_ns})


def _plain(layout: Layout, rows: Records) -> pd.DataFrame:
    columns: dict[str, Any] = {name: rows[name] for name in TABLES[layout.name]}
    texts = {name: rows[name].astype("U") for name in columns if rows.dtype[name].kind == "S"}
    return frame_of(layout.name, columns | texts)


def _exported(folder: Path, name: str, types: Mapping[str, str], n_shards: int) -> pd.DataFrame:
    schema = pa.schema(
        [(key, pa.string() if kind == "str" else pa.from_numpy_dtype(kind)) for key, kind in types.items()]
    )
    options = pa.csv.ConvertOptions(
        column_types=schema, include_columns=list(types), true_values=["t", "true"], false_values=["f", "false"]
    )
    files = [file for shard in range(n_shards) if (file := folder / f"{name}-{shard}.csv").exists()]
    parts = [pa.csv.read_csv(file, convert_options=options) for file in files]
    table = pa.concat_tables(parts) if parts else schema.empty_table()
    # an empty field (a window that was never closed) is 0 in a Run
    filled = [column.fill_null(0) if pa.types.is_integer(column.type) else column for column in table.columns]
    frame: pd.DataFrame = pa.table(filled, names=table.column_names).to_pandas()
    return frame


def _types(table: str) -> dict[str, str]:
    return {name: column.dtype for name, column in TABLES[table].items() if name != "op"}


def _code(code: str) -> tuple[Any, ...]:
    known = _NUMPY_CODE.get(code, f"S{code[:-1]}")
    return known if isinstance(known, tuple) else (known,)


def _op(rows: Records) -> Integers:
    return _low63(rows["op"])


def _low63(ids: npt.NDArray[np.uint64]) -> Integers:
    low: Integers = (ids[:, 1].astype(np.uint64) & np.uint64(_OP_MASK)).astype(np.int64)
    return low


def _count(ids: Integers, found: Integers) -> Integers:
    """Count how often each of the sorted `ids` is among `found`; all of `found` must be in `ids`."""
    return np.bincount(np.searchsorted(ids, found), minlength=len(ids)).astype(np.int64)


def _last_of(ids: Integers, found: Integers) -> Integers:
    """Return, for each of the `ids`, the last position at which it stands in `found`, or -1."""
    order = np.argsort(found, kind="stable")
    ranked = found[order]
    at = np.searchsorted(ranked, ids, side="right") - 1
    hit = (at >= 0) & (ranked[np.maximum(at, 0)] == ids) if len(ranked) else np.zeros(len(ids), dtype=bool)
    return np.where(hit, order[np.maximum(at, 0)] if len(ranked) else -1, -1)


def _on_timeline(unix_ns: Integers, clock: ClockPair) -> Integers:
    """Return instants of the wall clock on the Run's timeline; 0 stays 0."""
    return np.where(unix_ns > 0, unix_ns - clock.unix_ns + clock.mono_ns, 0)


def _taken(values: npt.NDArray[Any], rows: Integers) -> Integers:
    """Return ``values[rows]`` as int64, 0 where a row is -1."""
    if not len(values):
        return np.zeros(len(rows), dtype=np.int64)
    return np.where(rows >= 0, values[rows], 0).astype(np.int64)
