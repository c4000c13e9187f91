import csv
import hashlib
import json

from reference_impl.audit.trail import Line, genesis
from reference_impl.stack.audit_export import Row, write_rows

ENTRIES = {
    "first_seq": 4, "n": 2, "entry": 3, "slot": 0, "status": 1, "ref": ["0a" * 16, "0b" * 16], "account": [7, 8],
    "amount": [100, 200], "balance": [900, 800], "version": [2, 3], "round": 55, "win": 0, "selection": [1, 2],
}  # fmt: skip
EVENT = {"table": 1, "epoch": 2, "seq": 9, "event": {}}


def chain(*payloads, shard=0, first=1):
    head, lines = genesis(shard).hash, []
    for number, payload in enumerate(payloads, start=first):
        text = json.dumps(payload)
        head = hashlib.sha256(head + text.encode()).digest()
        lines.append(Line(number, "ledger.0", head.hex(), text))
    return lines


def rows_of(tmp_path, lines):
    write_rows(tmp_path / "audit-0.csv", 0, lines)
    with (tmp_path / "audit-0.csv").open() as file:
        return [Row(**row) for row in csv.DictReader(file)]


def test_each_entry_of_a_batch_is_a_row(tmp_path) -> None:
    first, second = rows_of(tmp_path, chain(ENTRIES))
    assert (first.batch, first.linked, first.seq, first.ref, first.balance_after) == ("1", "1", "4", "0a" * 16, "900")
    assert (second.seq, second.account, second.amount, second.kind) == ("5", "8", "200", "3")


def test_a_table_event_is_a_row_with_its_number_and_no_entry(tmp_path) -> None:
    (row,) = rows_of(tmp_path, chain(EVENT))
    assert (row.seq, row.table, row.event, row.linked) == ("0", "1", "9", "1")


def test_a_batch_that_does_not_continue_the_chain_says_so(tmp_path) -> None:
    lines = chain(EVENT, ENTRIES, EVENT)
    rows = rows_of(tmp_path, [lines[0], lines[2]])
    assert [row.linked for row in rows] == ["1", "0"]
