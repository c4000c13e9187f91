"""A statement as lines of CSV (RFC 4180), which no spreadsheet takes for formulas.

A cell of text that begins with a character that spreadsheets calculate with gets an apostrophe before it (OWASP, "CSV
Injection"). Amounts are numbers that are written here and may begin with a minus.
"""

import csv
import io
from datetime import UTC, datetime, timedelta

from reference_impl.api.account_messages import StatementRow
from reference_impl.domain.money import EXPONENT, Currency

COLUMNS = ("time", "kind", "what", "game", "table", "round", "id", "amount", "balance", "currency")
CALCULATES = ("=", "+", "-", "@", "\t", "\r", "\n")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_text(text: str) -> str:
    """Return text that a spreadsheet shows as it is."""
    return f"'{text}" if text.startswith(CALCULATES) else text


def as_amount(minor: int, currency: Currency) -> str:
    """Return an amount as a decimal number, such as ``-12.30``."""
    digits = EXPONENT[currency]
    whole, part = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole}{f'.{part:0{digits}d}' if digits else ''}"


def line(cells: tuple[str, ...]) -> str:
    """Return a line of cells, quoted where necessary."""
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


HEADER = line(COLUMNS)


def entry_line(row: StatementRow, currency: Currency) -> str:
    """Return the line of an entry."""
    return line(
        (
            _instant(row.at_unix_ns), row.kind, as_text(row.what), as_text(row.game),
            str(row.table or ""), str(row.round or ""), as_text(row.id), as_amount(row.amount_minor, currency),
            as_amount(row.balance_minor, currency), currency.name,
        )
    )  # fmt: skip


def balance_line(what: str, at_unix_ns: int, balance_minor: int, currency: Currency) -> str:
    """Return the line of a balance at one end of the statement."""
    return line(
        (
            _instant(at_unix_ns), "balance", what, "", "", "", "", "", as_amount(balance_minor, currency),
            currency.name,
        )
    )  # fmt: skip


def _instant(unix_ns: int) -> str:
    at = _EPOCH + timedelta(microseconds=unix_ns // 1000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
