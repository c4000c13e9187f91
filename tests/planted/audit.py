"""One thing made wrong in the audit trail, for each anomaly that a check names."""

from planted.changing import put


def lose_a_batch(tables):
    gone = int(tables["audit"].loc[6, "batch"])
    tables["audit"] = tables["audit"].drop(6)
    return {"expected_batch": gone}


def swap_two_batches(tables):
    order = [*range(6), 7, 6, *range(8, len(tables["audit"]))]
    tables["audit"] = tables["audit"].iloc[order].reset_index(drop=True)
    return {"batch": int(tables["audit"].loc[6, "batch"])}


def write_a_batch_twice(tables):
    order = [*range(7), *range(6, len(tables["audit"]))]
    tables["audit"] = tables["audit"].iloc[order].reset_index(drop=True)
    return {"seq": int(tables["audit"].loc[6, "seq"])}


def break_the_chain(tables):
    put(tables, "audit", 6, linked=0)
    return {"batch": int(tables["audit"].loc[6, "batch"]), "linked": 0}


def tell_another_amount(tables):
    put(tables, "audit", 6, amount=1)
    return {"amount": 1}


def lose_an_entry_of_a_batch(tables):
    audit = tables["audit"]
    audit["batch"] = (audit["batch"] + 1) // 2
    lost = audit.loc[6]
    tables["audit"] = audit.drop(6)
    return {"shard": int(lost["shard"]), "seq": int(lost["seq"])}


def lose_an_entry_of_the_ledger(tables):
    gone = tables["ledger"].iloc[6]
    tables["ledger"] = tables["ledger"].drop(tables["ledger"].index[6])
    return {"shard": int(gone["shard"]), "seq": int(gone["seq"])}


PLANTED = [
    ("trail_equals_ledger", lose_a_batch),
    ("trail_equals_ledger", swap_two_batches),
    ("trail_equals_ledger", write_a_batch_twice),
    ("trail_equals_ledger", break_the_chain),
    ("trail_equals_ledger", tell_another_amount),
    ("trail_equals_ledger", lose_an_entry_of_a_batch),
    ("trail_equals_ledger", lose_an_entry_of_the_ledger),
]
