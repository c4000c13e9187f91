"""Every table of a Run: its columns with dtype, unit and meaning. A simulated Run has the same tables and columns.

Instants are CLOCK_MONOTONIC nanoseconds of the host named in the manifest (simulated nanoseconds in a simulated Run);
0 means "did not happen". ``op`` is the low 63 bits of an operation's id, unique within a Run.
"""

from typing import NamedTuple


class Column(NamedTuple):
    """A column: its NumPy dtype (``str`` for text, ``list`` for lists of int64), unit and meaning."""

    dtype: str
    unit: str
    meaning: str


OPS = {
    "op": Column("int64", "", "operation id, unique in the Run"),
    "kind": Column("int16", "OpKind", "what was asked"),
    "attempts": Column("int16", "", "how often it was sent, with the same id"),
    "session": Column("int32", "", "player session"),
    "connection": Column("int32", "", "connection number within the session, at the last attempt"),
    "gateway": Column("int16", "", "gateway of the last attempt, -1 if none"),
    "account": Column("int64", "", "player account"),
    "currency": Column("int16", "ISO 4217", "currency of the amounts"),
    "table": Column("int32", "", "table"),
    "round": Column("int64", "", "round id"),
    "window": Column("int16", "", "betting window of the round"),
    "selection": Column("int32", "", "spot code"),
    "amount": Column("int64", "minor", "stake"),
    "due_ns": Column("int64", "ns", "intended start, by the schedule: latency counts from here"),
    "invoke_ns": Column("int64", "ns", "actual start of the first attempt"),
    "return_ns": Column("int64", "ns", "the answer in the application; 0 if there was none"),
    "kernel_ns": Column("int64", "ns", "the answer in the kernel; 0 if not stamped"),
    "outcome": Column("int8", "Outcome", "what the client knows"),
    "status": Column("int16", "Status", "the answer; 0 if there was none"),
    "balance": Column("int64", "minor", "balance in the answer"),
    "version": Column("int64", "", "account version in the answer"),
    "shard": Column("int16", "", "wallet shard in the answer, -1 if there was none"),
    "seq": Column("int64", "", "journal sequence number in the answer, 0 if none"),
    "received_ns": Column("int64", "ns", "gateway read the frame"),
    "checked_ns": Column("int64", "ns", "gateway decoded and checked it"),
    "sent_ns": Column("int64", "ns", "gateway sent it, in a batch, to the wallet"),
    "wallet_received_ns": Column("int64", "ns", "wallet received the batch"),
    "batch_started_ns": Column("int64", "ns", "wallet called the database"),
    "committed_ns": Column("int64", "ns", "the database answered: durable"),
    "replied_ns": Column("int64", "ns", "gateway got the wallet's reply"),
    "written_ns": Column("int64", "ns", "gateway wrote the answer to the socket"),
    "queue_depth": Column("int32", "bets", "bets that waited in the wallet when the batch started"),
    "batch_size": Column("int32", "bets", "bets in the database call"),
    "timelines": Column("int16", "", "how many sets of stamps gateways left of it"),
    "weight": Column("float64", "", "1, or the sampling weight of a simulated row"),
}

PUSHES = {
    "session": Column("int32", "", "player session"),
    "connection": Column("int32", "", "connection number within the session"),
    "table": Column("int32", "", "table"),
    "epoch": Column("int32", "", "dealer epoch"),
    "seq": Column("int64", "", "table event number, gap-free within the table whoever deals; 0 in other messages"),
    "kind": Column("int16", "PushKind", "what was pushed"),
    "round": Column("int64", "", "round id"),
    "phase": Column("int16", "Phase", "phase announced by a table event"),
    "outcome": Column("int32", "", "outcome announced, -1 if none"),
    "commitment": Column("int64", "", "first 63 bits of the announced commitment to the seed, 0 if none"),
    "seed": Column("int64", "", "first 63 bits of the SHA-256 of the seed that was told, 0 if none"),
    "op": Column("int64", "", "the bet that was paid, 0 in other messages"),
    "amount": Column("int64", "minor", "gross payout of that bet"),
    "balance": Column("int64", "minor", "balance in a welcome or a payment"),
    "version": Column("int64", "", "account version in a welcome or a payment, 0 in other messages"),
    "media_ns": Column("int64", "ns", "media time that a table event says it belongs to, 0 in other messages"),
    "kernel_ns": Column("int64", "ns", "arrival in the kernel, 0 if not stamped"),
    "app_ns": Column("int64", "ns", "arrival in the application"),
}

ROUNDS = {
    "table": Column("int32", "", "table"),
    "round": Column("int64", "", "round id"),
    "round_no": Column("int64", "", "number of the round at its table"),
    "window": Column("int16", "", "betting window"),
    "epoch": Column("int32", "", "dealer epoch"),
    "opens_ns": Column("int64", "ns", "window opens"),
    "closes_ns": Column("int64", "ns", "announced cut-off"),
    "first_close_ns": Column("int64", "ns", "the first player's window ends, by the close policy; 0 as closes_ns"),
    "last_close_ns": Column("int64", "ns", "the last player's window ends, by the close policy; 0 as closes_ns"),
    "no_more_bets_ns": Column("int64", "ns", "no more bets announced"),
    "bets_closed_ns": Column("int64", "ns", "every shard closed"),
    "informative_ns": Column("int64", "ns", "first informative instant in the studio: dealing starts"),
    "result_ns": Column("int64", "ns", "result announced"),
    "settled_ns": Column("int64", "ns", "every shard settled or voided"),
    "game": Column("str", "", "game that the decision is of, empty if none is on record"),
    "decision": Column("str", "", "outcome, void, or unknown if none is on record"),
    "outcome": Column("int32", "", "recorded outcome, -1 if void or unknown"),
    "opened_seqs": Column("list", "", "journal number of the open entry, by shard; 0 if none"),
    "closed_seqs": Column("list", "", "journal number of the close entry, by shard; 0 if none"),
    "accept_until_ns": Column("list", "ns", "from when on a shard refuses by its own clock, by shard; 0 if none"),
    "seed": Column("str", "hex", "the decision's seed, empty if none"),
    "heads": Column("str", "hex", "the journal heads that the decision names, separated by semicolons"),
    "closed_heads": Column("str", "hex", "the head right after each close entry, in shard order, separated so too"),
}

LEDGER = {
    "shard": Column("int16", "", "wallet shard"),
    "seq": Column("int64", "", "place in the shard's journal, gap-free from 1"),
    "op": Column("int64", "", "operation id"),
    "slot": Column("int8", "Slot", "first or terminal"),
    "kind": Column("int16", "EntryKind", "what the entry records"),
    "status": Column("int16", "Status", "accepted, or why not; rejections are kept"),
    "account": Column("int64", "", "account"),
    "counter": Column("int64", "", "counter account"),
    "amount": Column("int64", "minor", "amount; its direction follows from the kind"),
    "balance_after": Column("int64", "minor", "the account's balance after the entry"),
    "version": Column("int64", "", "the account's version after the entry"),
    "round": Column("int64", "", "round id, 0 if none"),
    "window": Column("int16", "", "betting window"),
    "selection": Column("int32", "", "spot code, the outcome of a DECIDE entry"),
}

ACCOUNTS = {
    "shard": Column("int16", "", "wallet shard"),
    "account": Column("int64", "", "account"),
    "currency": Column("int16", "ISO 4217", "currency"),
    "balance": Column("int64", "minor", "balance when the ledger was exported"),
    "version": Column("int64", "", "version when the ledger was exported"),
}

LIMITS = {
    "shard": Column("int16", "", "wallet shard"),
    "seq": Column("int64", "", "place of the limit's entry in the journal"),
    "account": Column("int64", "", "player account"),
    "kind": Column("int16", "LimitKind", "what it limits"),
    "amount": Column("int64", "minor", "what was asked; of a time-out or an exclusion, until when, Unix ns"),
    "held": Column("int64", "minor", "what holds from then on; of a time-out or an exclusion, until when, Unix ns"),
    "next_amount": Column("int64", "minor", "the looser limit that waits, as amount; 0 if none does"),
    "next_from_unix_ns": Column("int64", "ns", "from when on the looser one holds, wall clock; 0 if none waits"),
    "set_unix_ns": Column("int64", "ns", "when the entry was written, wall clock: limits count days and weeks"),
}

ORDERS = {
    "kind": Column("int16", "EntryKind", "deposit, withdraw or correct"),
    "op": Column("int64", "", "the order's id, of a correction the bet's; 0 if the target gave it one of its own"),
    "account": Column("int64", "", "account"),
    "amount": Column("int64", "minor", "what is paid in or out; of a correction, what the bet should have been paid"),
    "status": Column("int16", "Status", "the answer"),
}

AUDIT = {
    "shard": Column("int16", "", "wallet shard"),
    "batch": Column("int64", "", "number in the shard's hash chain, in the order of the trail"),
    "linked": Column("int8", "", "1 if its hash covers its payload and the hash before it"),
    "table": Column("int32", "", "table of a table event, 0 in other batches"),
    "event": Column("int64", "", "number of a table event, 0 in other batches"),
    "seq": Column("int64", "", "place of the entry in the journal; 0: a batch without entries, such as a table event"),
    "op": Column("int64", "", "operation id"),
    "slot": Column("int8", "Slot", "first or terminal"),
    "kind": Column("int16", "EntryKind", "what the entry records"),
    "status": Column("int16", "Status", "accepted, or why not"),
    "account": Column("int64", "", "account"),
    "counter": Column("int64", "", "counter account"),
    "amount": Column("int64", "minor", "amount"),
    "balance_after": Column("int64", "minor", "the account's balance after the entry"),
    "version": Column("int64", "", "the account's version after the entry"),
    "round": Column("int64", "", "round id, 0 if none"),
    "window": Column("int16", "", "betting window"),
    "selection": Column("int32", "", "spot code, the outcome of a DECIDE entry"),
}

NODES = {
    "t_ns": Column("int64", "ns", "when"),
    "node": Column("str", "", "process name"),
    "pid": Column("int32", "", "process id"),
    "connections": Column("int32", "", "open connections"),
    "queue": Column("int32", "", "waiting work"),
    "lag_ns_max": Column("int64", "ns", "largest event-loop lag in the last second"),
    "cpu_ns": Column("int64", "ns", "CPU time since the process's start"),
    "run_delay_ns": Column("int64", "ns", "time spent runnable but not running, since the start"),
    "ops": Column("int64", "", "operations handled since the start"),
    "egress_bytes": Column("int64", "bytes", "bytes sent since the start"),
}

RESOURCES = {
    "t_ns": Column("int64", "ns", "when"),
    "node": Column("str", "", "process name"),
    "pid": Column("int32", "", "process id"),
    "memory_bytes": Column("int64", "bytes", "memory of its own and its children's, without what others share"),
    "descriptors": Column("int32", "", "open files, sockets and pipes"),
    "disk_bytes": Column("int64", "bytes", "size of the files that it keeps"),
}

SESSIONS = {
    "session": Column("int32", "", "player session"),
    "connection": Column("int32", "", "connection number within the session"),
    "gateway": Column("int32", "", "gateway"),
    "table": Column("int32", "", "table"),
    "account": Column("int64", "", "player account"),
    "opened_ns": Column("int64", "ns", "welcome received"),
    "closed_ns": Column("int64", "ns", "connection ended"),
    "close_code": Column("int32", "", "WebSocket close code, 0 for none, 1006 for a broken connection"),
}

GENERATOR = {
    "t_ns": Column("int64", "ns", "when"),
    "worker": Column("int32", "", "load worker"),
    "users": Column("int32", "", "users it runs"),
    "lag_ns_max": Column("int64", "ns", "largest timer lag in the last second"),
    "cpu_ns": Column("int64", "ns", "CPU time since the worker's start"),
    "ops": Column("int64", "", "operations started since the worker's start"),
    "missed": Column("int64", "", "scheduled operations that could not be started, since the start"),
    "start_lag_ns_max": Column("int64", "ns", "latest start of a bet whose player was connected, in the last second"),
    "clock_offset_ns": Column("int64", "ns", "the target's wall clock minus the worker's, as messages show it"),
    "clock_error_ns": Column("int64", "ns", "how far off that may be; -1 while no message told the target's time"),
}

FAULTS = {
    "t_ns": Column("int64", "ns", "when it struck"),
    "ended_ns": Column("int64", "ns", "when it was undone; 0 if that is left to the system"),
    "kind": Column("str", "FaultKind", "what was done; crash if nobody did it"),
    "target": Column("str", "", "to which process"),
    "how": Column("str", "", "by what means"),
    "detected_ns": Column("int64", "ns", "the supervisor noticed; 0 if it did not"),
    "recovered_ns": Column("int64", "ns", "the process was ready again, or the fault undone; 0 if it was not"),
}

VIDEO = {
    "viewer": Column("int32", "", "the viewer's player number"),
    "table": Column("int32", "", "table"),
    "edge": Column("int16", "", "edge that was asked, -1 if none"),
    "rendition": Column("int16", "", "rendition, 0 is the one of the lowest bit rate; -1 if none"),
    "kind": Column("int16", "FetchKind", "what was asked for"),
    "msn": Column("int64", "", "media sequence number; of a playlist, of its newest part"),
    "part": Column("int32", "", "part of the segment, -1 for a whole segment"),
    "bytes": Column("int64", "bytes", "size of the answer's body"),
    "due_ns": Column("int64", "ns", "when the viewer wanted it"),
    "start_ns": Column("int64", "ns", "request sent"),
    "first_byte_ns": Column("int64", "ns", "first byte of the answer, 0 if there was none"),
    "end_ns": Column("int64", "ns", "last byte of the answer, or when it was given up"),
    "status": Column("int16", "HTTP", "status code; 0 if the connection failed, 499 if the answer was given up"),
    "cache": Column("int8", "CacheState", "how the edge came by it"),
    "media_ns": Column("int64", "ns", "when the newest frame in it was captured, 0 if it has none"),
    "buffer_ms": Column("int32", "ms", "media ahead of the playhead afterwards"),
    "latency_ms": Column("int32", "ms", "from the capture of the frame at the playhead to now; 0 before playback"),
    "stalled_ms": Column("int32", "ms", "length of the stall that ended with this row"),
    "switched": Column("int8", "", "1 and -1: a better or a worse rendition from here on; 2: another edge"),
}

GLASS = {
    "viewer": Column("int32", "", "the viewer's player number"),
    "table": Column("int32", "", "table"),
    "rendition": Column("int16", "", "rendition"),
    "msn": Column("int64", "", "media sequence number"),
    "part": Column("int32", "", "part of the segment"),
    "captured_ns": Column("int64", "ns", "when its first frame was taken, as the picture itself says"),
    "arrived_ns": Column("int64", "ns", "when the viewer had it"),
    "shown_ns": Column("int64", "ns", "when the playhead reached that frame"),
}

DROPS = {
    "t_ns": Column("int64", "ns", "when the studio found that it was late"),
    "table": Column("int32", "", "table"),
    "frames": Column("int32", "", "how many frames were not filmed"),
    "slot": Column("int64", "", "the first of them, in frames since the Unix epoch"),
    "cut": Column("int8", "", "1: the film was cut there and went on with the next segment"),
}

PLACEMENTS = {
    "t_ns": Column("int64", "ns", "when"),
    "session": Column("int64", "", "player"),
    "table": Column("int32", "", "table"),
    "what": Column("str", "", "gateway or edge"),
    "chosen": Column("str", "", "process that was chosen"),
    "number": Column("int16", "", "its number"),
    "load": Column("float64", "", "its forecast load, as the placer saw it"),
    "alternatives": Column("int16", "", "how many there were to choose from"),
}

TABLES: dict[str, dict[str, Column]] = {
    "ops": OPS,
    "pushes": PUSHES,
    "rounds": ROUNDS,
    "ledger": LEDGER,
    "accounts": ACCOUNTS,
    "limits": LIMITS,
    "orders": ORDERS,
    "audit": AUDIT,
    "nodes": NODES,
    "resources": RESOURCES,
    "sessions": SESSIONS,
    "generator": GENERATOR,
    "faults": FAULTS,
    "video": VIDEO,
    "glass": GLASS,
    "drops": DROPS,
    "placements": PLACEMENTS,
}
"""Tables by the base name of their parquet file."""
