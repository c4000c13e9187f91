"""The zoo is kept: every seeded bug still fits the code that it breaks."""

import pytest
from zoo.bug import Bug
from zoo.ledger_bugs import LEDGER_BUGS
from zoo.system_bugs import NO_REPORT, SLOW_CLOCKS, SYSTEM_BUGS

BUGS = (*LEDGER_BUGS, *SYSTEM_BUGS, SLOW_CLOCKS, NO_REPORT)


def test_every_bug_fits_its_file_and_has_a_name_of_its_own() -> None:
    for bug in BUGS:
        text = bug.patched()
        if bug.file.endswith(".py"):
            compile(text, bug.file, "exec")
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_a_bug_whose_text_is_gone_fails_loudly() -> None:
    bug = Bug("none", "reference_impl/wallet/writer.py", (("no such text", ""),), "")
    with pytest.raises(LookupError, match="has 0 times, expected once: 'no such text'"):
        bug.patched()
