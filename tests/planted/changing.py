"""How one thing in a truthful history is found and changed."""

from reference_impl.domain.bets import Slot
from reference_impl.domain.records import OpKind, Outcome


def nth(tables, which, n=5):
    """Return the row number in ``ops`` of the n-th accepted or rejected bet."""
    ops = tables["ops"]
    return ops.index[(ops["kind"] == int(OpKind.BET)) & (ops["outcome"] == int(which))][n]


def entry(tables, op, slot=Slot.FIRST):
    ledger = tables["ledger"]
    return ledger.index[(ledger["op"] == op) & (ledger["slot"] == int(slot))][0]


def put(tables, table, row, **values):
    for column, value in values.items():
        tables[table].loc[row, column] = value


def put_seqs(tables, column, seqs):
    """Replace the journal numbers of the first round."""
    tables["rounds"][column] = [seqs, *tables["rounds"][column][1:]]


def of(tables, row, column):
    return int(tables["ops"].loc[row, column])


def bet_rows(tables, which=Outcome.OK):
    ops = tables["ops"]
    return ops.index[(ops["kind"] == int(OpKind.BET)) & (ops["outcome"] == int(which)) & (ops["attempts"] == 1)]


def pushes_of(tables, kind, **equal):
    pushes = tables["pushes"]
    wanted = pushes["kind"] == int(kind)
    for name, value in equal.items():
        wanted &= pushes[name] == value
    return pushes.index[wanted]
