import numpy as np
import pandas as pd
import pytest
from histories import MS, S, Shape, make_tables

from reference_impl.domain import records
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpEvent, OpKind, Outcome
from reference_impl.domain.video_records import DROPS
from reports.columns import TABLES
from reports.convert import convert, torn_records

MONO_NS, UNIX_NS = 100 * S, 1_790_000_000 * S
NONCE = b"campaign"
PHASES = {
    Phase.BETS_OPEN: "opens_ns", Phase.NO_MORE_BETS: "no_more_bets_ns", Phase.BETS_CLOSED: "bets_closed_ns",
    Phase.DEALING: "informative_ns", Phase.RESULT: "result_ns",
}  # fmt: skip


def op_id(number):
    return NONCE + int(number).to_bytes(8)


def write(folder, layout, writer, *rows):
    """Append records given as dicts; fields that are not given are 0."""
    empty = {"16s": b"", "24s": b""}
    lines = [layout.packer.pack(*(row.get(name, empty.get(code, 0)) for name, code in layout.fields)) for row in rows]
    with (folder / f"{layout.name}-{writer}.bin").open("ab") as file:
        file.writelines(lines)


def invoke(op, attempt=1, **fields):
    fields = {"kind": int(OpKind.BET), "due_ns": 10, "invoke_ns": 11, "shard": -1, **fields}
    return {"op": op_id(op), "event": int(OpEvent.INVOKE), "attempt": attempt, **fields}


def answer(op, attempt=1, outcome=Outcome.OK, **fields):
    fields = {"kind": int(OpKind.BET), "due_ns": 10, "invoke_ns": 11, "return_ns": 20, "status": 1, **fields}
    return {"op": op_id(op), "event": int(OpEvent.RETURN), "attempt": attempt, "outcome": int(outcome), **fields}


def stage(op, gateway, received_ns, **fields):
    return {"op": op_id(op), "gateway": gateway, "received_ns": received_ns, **fields}


@pytest.fixture
def convert_here(tmp_path):
    return lambda: convert(tmp_path, tmp_path, 2, (MONO_NS, UNIX_NS))


def only_op(tables):
    assert len(tables["ops"]) == 1
    return tables["ops"].iloc[0]


def test_an_empty_folder_gives_empty_tables_of_the_right_shape(convert_here):
    tables = convert_here()
    assert {name: list(frame) for name, frame in tables.items()} == {n: list(spec) for n, spec in TABLES.items()}
    assert all(frame.empty for frame in tables.values())


def test_an_operation_without_answer_is_unknown(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(7))
    op = only_op(convert_here())
    assert (op["op"], op["outcome"], op["return_ns"], op["shard"], op["attempts"]) == (7, Outcome.UNKNOWN, 0, -1, 1)


def test_a_retried_operation_is_one_row_with_its_first_start_and_last_answer(tmp_path, convert_here):
    rows = [invoke(7, 1, gateway=1), invoke(7, 2, gateway=0, invoke_ns=50, due_ns=40, connection=1)]
    write(tmp_path, records.OPS, "w0", *rows, answer(7, 2, return_ns=60, gateway=0, seq=5, shard=1))
    op = only_op(convert_here())
    assert (op["attempts"], op["due_ns"], op["invoke_ns"], op["return_ns"]) == (2, 10, 11, 60)
    assert (op["gateway"], op["connection"], op["seq"], op["shard"]) == (0, 1, 5, 1)


def test_an_operation_is_refused_only_if_every_attempt_was(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(1), answer(1, outcome=Outcome.REFUSED, status=0))
    write(tmp_path, records.OPS, "w0", invoke(2), invoke(2, 2), answer(2, 2, outcome=Outcome.REFUSED, status=0))
    outcomes = convert_here()["ops"].set_index("op")["outcome"]
    assert outcomes.to_dict() == {1: Outcome.REFUSED, 2: Outcome.UNKNOWN}


def test_an_unknown_return_does_not_hide_an_earlier_answer(tmp_path, convert_here):
    given_up = answer(7, outcome=Outcome.UNKNOWN, return_ns=90, status=0)
    write(tmp_path, records.OPS, "w0", invoke(7), answer(7, return_ns=20), given_up)
    op = only_op(convert_here())
    assert (op["outcome"], op["return_ns"]) == (Outcome.OK, 20)


def test_an_id_keeps_its_low_63_bits_only_and_trailing_zero_bytes(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(256 << 40), {**invoke(0), "op": NONCE + b"\xff" * 8})
    assert set(convert_here()["ops"]["op"]) == {256 << 40, (1 << 63) - 1}


def test_the_stages_of_the_gateway_that_answered_are_taken(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(7, gateway=1), invoke(7, 2, gateway=0), answer(7, 2, gateway=0))
    write(tmp_path, records.STAGES, "gateway-0", stage(7, 0, 500), stage(7, 0, 600), stage(99, 0, 1))
    write(tmp_path, records.STAGES, "gateway-1", stage(7, 1, 900))
    assert only_op(convert_here())["received_ns"] == 600


def test_without_a_matching_gateway_the_last_stages_are_taken(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(7, gateway=0))
    write(tmp_path, records.STAGES, "gateway-1", stage(7, 1, 300, batch_size=4), stage(7, 1, 200))
    op = only_op(convert_here())
    assert (op["received_ns"], op["batch_size"]) == (300, 4)


def test_a_torn_last_record_is_dropped_and_counted(tmp_path, convert_here):
    write(tmp_path, records.OPS, "w0", invoke(7), invoke(8))
    file = tmp_path / "ops-w0.bin"
    file.write_bytes(file.read_bytes()[:-3])
    assert list(convert_here()["ops"]["op"]) == [7]
    assert torn_records(tmp_path) == {"ops": 1}


def test_node_names_become_text(tmp_path, convert_here):
    write(tmp_path, records.NODES, "dealer", {"t_ns": 5, "node": b"dealer", "pid": 12})
    assert convert_here()["nodes"]["node"].tolist() == ["dealer"]


def test_a_window_that_was_never_closed_has_no_close_number(tmp_path, convert_here):
    (tmp_path / "windows-1.csv").write_text(
        "shard,round,window,table,opened_seq,closed_seq,accept_until_unix_ns,closed_head\n"
        f"1,4294967297,0,1,17,,{UNIX_NS + 7},\n"
    )
    rounds = convert_here()["rounds"]
    assert (list(rounds["accept_until_ns"][0]), rounds["closed_heads"][0]) == ([0, MONO_NS + 7], "")
    assert (rounds["table"][0], rounds["round_no"][0], rounds["decision"][0]) == (1, 1, "unknown")
    assert (list(rounds["opened_seqs"][0]), list(rounds["closed_seqs"][0])) == ([0, 17], [0, 0])


def test_a_void_decision_has_no_outcome(tmp_path, convert_here):
    write(tmp_path, records.PHASES, "dealer", {"t_ns": 5, "phase": int(Phase.VOIDED), "round": 1 << 32, "table": 1})
    (tmp_path / "decisions-0.csv").write_text("round,void,outcome,game,seed,heads\n4294967296,t,0,roulette,ab,cd;ef\n")
    rounds = convert_here()["rounds"]
    assert (rounds["decision"][0], rounds["outcome"][0], rounds["settled_ns"][0]) == ("void", -1, 5)


def to_unix(mono_ns):
    return int(mono_ns) - MONO_NS + UNIX_NS if mono_ns else 0


def leave_behind(folder, tables):
    """Write what processes would have left behind of this history."""
    for row in tables["ops"].to_dict("records"):
        asked = {name: row[name] for name, _ in records.OPS.fields if name in row}
        asked["op"] = op_id(row["op"])
        blank = {"status": 0, "balance": 0, "version": 0, "seq": 0, "shard": -1, "outcome": 0, "return_ns": 0}
        tries = [{**asked, **blank, "event": 1, "attempt": n} for n in range(1, row["attempts"] + 1)]
        returned = [{**asked, "event": 2, "attempt": row["attempts"]}] if row["outcome"] else []
        write(folder, records.OPS, f"w{row['op'] % 2}", *tries, *returned)
        if row["received_ns"]:
            write(folder, records.STAGES, f"gateway-{row['gateway']}", {**row, "op": asked["op"]})
    pushes = tables["pushes"]
    pushes = pushes.assign(op=[op_id(op) for op in pushes["op"]], media_unix_ns=[*map(to_unix, pushes["media_ns"])])
    write(folder, records.PUSHES, "w0", *pushes.to_dict("records"))
    for layout in (records.SESSIONS, records.GENERATOR, records.VIDEO, DROPS):
        write(folder, layout, "w0", *tables[layout.name].to_dict("records"))
    for row in tables["placements"].to_dict("records"):
        texts = {name: row[name].encode() for name in ("what", "chosen")}
        write(folder, records.PLACEMENTS, "services", {**row, **texts})
    for row in tables["nodes"].to_dict("records"):
        write(folder, records.NODES, row["node"], {**row, "node": row["node"].encode()})
    for row in tables["resources"].to_dict("records"):
        write(folder, records.RESOURCES, row["node"], {**row, "node": row["node"].encode()})
    for row in tables["rounds"].to_dict("records"):
        end = Phase.VOIDED if row["decision"] == "void" else Phase.SETTLED
        window = {"opens_unix_ns": to_unix(row["opens_ns"]), "closes_unix_ns": to_unix(row["closes_ns"])}
        for phase, column in {**PHASES, end: "settled_ns"}.items():
            if row[column]:
                write(folder, records.PHASES, "dealer", {**row, **window, "phase": int(phase), "t_ns": row[column]})
    export(folder, tables)


def export(folder, tables):
    rounds = tables["rounds"]
    ledger = tables["ledger"].assign(ref=[op_id(op).hex() for op in tables["ledger"]["op"]])
    for shard in (0, 1):
        ledger[ledger["shard"] == shard].to_csv(folder / f"ledger-{shard}.csv", index=False)
        accounts = tables["accounts"]
        accounts[accounts["shard"] == shard].to_csv(folder / f"accounts-{shard}.csv", index=False)
        limits = tables["limits"].astype({"next_amount": object, "next_from_unix_ns": object})
        limits.loc[limits["next_from_unix_ns"] == 0, ["next_amount", "next_from_unix_ns"]] = ""  # nothing waits
        limits[limits["shard"] == shard].to_csv(folder / f"limits-{shard}.csv", index=False)
        windows = rounds[["round", "window", "table"]].assign(shard=shard)
        windows["accept_until_unix_ns"] = [to_unix(until[shard]) for until in rounds["accept_until_ns"]]
        windows["closed_head"] = [heads.split(";")[shard] for heads in rounds["closed_heads"]]
        for name in ("opened_seq", "closed_seq"):
            windows[name] = [seqs[shard] for seqs in rounds[f"{name}s"]]
        windows.to_csv(folder / f"windows-{shard}.csv", index=False)
        home = rounds[rounds["table"] % 2 == shard]
        void = np.where(home["decision"] == "void", "t", "f")
        decisions = pd.DataFrame({"round": home["round"], "void": void, "outcome": home["outcome"].clip(0)})
        decisions["game"] = home["game"]
        decisions[["seed", "heads"]] = home[["seed", "heads"]]
        decisions.to_csv(folder / f"decisions-{shard}.csv", index=False)
        audit = tables["audit"].assign(ref=[op_id(op).hex() for op in tables["audit"]["op"]])
        audit[audit["shard"] == shard].to_csv(folder / f"audit-{shard}.csv", index=False)


def plain(frame):
    keys = [
        name
        for name in (
            "op",
            "shard",
            "round",
            "session",
            "node",
            "t_ns",
            "slot",
            "seq",
            "account",
            "app_ns",
            "connection",
            "viewer",
            "end_ns",
        )
        if name in frame
    ]
    rows = frame.sort_values(keys, ignore_index=True)
    return [[list(v) if isinstance(v, np.ndarray) else v for v in row] for row in rows.to_numpy(dtype=object)]


def test_what_a_history_leaves_behind_converts_back_to_that_history(tmp_path, convert_here):
    tables = make_tables(Shape(lost_share=0.1, retried_share=0.1, void_share=0.3, stake_limit_minor=900, seed=3))
    leave_behind(tmp_path, tables)
    converted = convert_here()
    for name in TABLES:
        if name not in {"faults", "glass", "orders"}:  # whoever broke things, read pictures or gave orders knows them
            assert list(converted[name].dtypes) == list(tables[name].dtypes), name
            assert plain(converted[name]) == plain(tables[name]), name


def test_instants_of_the_wall_clock_land_on_the_timeline(tmp_path, convert_here):
    row = {"t_ns": 5, "phase": int(Phase.BETS_OPEN), "round": 1 << 32, "closes_unix_ns": UNIX_NS + 7 * MS}
    write(tmp_path, records.PHASES, "dealer", row)
    assert convert_here()["rounds"]["closes_ns"][0] == MONO_NS + 7 * MS
