"""The statement as CSV: read back it is what was written, and no cell of text is a formula."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.api.account_messages import StatementRow
from reference_impl.api.statement_csv import CALCULATES, COLUMNS, HEADER, as_amount, as_text, entry_line
from reference_impl.domain.money import EXPONENT, Currency

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
nasty = st.sampled_from(CALCULATES).flatmap(lambda first: texts.map(lambda rest: first + rest))


@given(what=texts | nasty, amount=st.integers(-(10**15), 10**15), currency=st.sampled_from(Currency))
def test_a_line_read_back_is_what_was_written_and_no_text_calculates(what, amount, currency) -> None:
    row = StatementRow(7, 1_700_000_000_123_456_000, "ab" * 16, "bet", what, "=game", 1, 2, amount, 0)
    (cells,) = csv.reader(io.StringIO(entry_line(row, currency), newline=""))
    assert dict(zip(COLUMNS, cells, strict=True)) | {"what": "", "amount": ""} == {
        "time": "2023-11-14T22:13:20.123456Z", "kind": "bet", "what": "", "game": "'=game", "table": "1", "round": "2",
        "id": "ab" * 16, "amount": "", "balance": as_amount(0, currency), "currency": currency.name,
    }  # fmt: skip
    assert not cells[2].startswith(CALCULATES)
    assert cells[2].removeprefix("'") == what.removeprefix("'")
    whole, _, part = cells[7].partition(".")
    assert int(whole + part) == amount
    assert len(part) == EXPONENT[currency]


def test_text_that_calculates_nothing_stays_as_it_is() -> None:
    assert [as_text(text) for text in ("Deposit", "", "a=1")] == ["Deposit", "", "a=1"]
    assert as_text("=1+1") == "'=1+1"


def test_lines_end_as_rfc_4180_says() -> None:
    assert HEADER.endswith("\r\n")
    assert HEADER.count("\r\n") == 1
