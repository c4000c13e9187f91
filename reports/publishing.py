"""Published reports: one way to write a folder, and one to hold it against what it says.

A folder holds a page for people, its figures, small aggregates and a manifest. Prose on the page is people's and stays
as it is; what stands between two marks, and every figure, follows from the aggregates alone. So a folder is judged in
two steps: whether page and figures are those of its aggregates, and whether aggregates that were found anew agree.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reports.run import host_facts, source_commit, versions, write_json

PAGE: Final = "README.md"
MANIFEST: Final = "manifest.json"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"
AGGREGATES_BYTES_MAX: Final = 8 << 20
"""No aggregates are larger: what is published is read by people."""

Found = TypeVar("Found")


class Report(Struct, frozen=True, kw_only=True):
    """What aggregates look like to people.

    Parameters
    ----------
    tables : str
        Markdown that stands between the marks.
    figures : dict of str to str
        Text of each figure by its file's name.
    opening, closing : str
        Prose around the marks of a page that does not exist yet; people go on from there.
    """

    tables: str
    figures: Mapping[str, str]
    opening: str
    closing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Generic[Found]):
    """How one kind of report is made and compared.

    Parameters
    ----------
    file : str
        Name of the aggregates' file.
    content : type
        What it holds, as msgspec decodes it.
    report_of : callable
        Aggregates to report; the same aggregates always give the same.
    differences : callable
        Published and found aggregates to what does not agree, a line each.
    """

    file: str
    content: type[Found]
    report_of: Callable[[Found], Report]
    differences: Callable[[Found, Found], Iterable[str]]


def conclude(
    recipe: Recipe[Found], found: Found, folder: Path, command: str, *, check: bool,
    pages: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Publish what was found, or compare it with what is published; return the line that says so.

    `pages` are files by name that stand beside the aggregates and do not follow from them.

    Raises
    ------
    ConfigError
        If what is published was changed, or does not agree with what was found.
    """
    if check:
        return compare(recipe, found, folder)
    return f"published: {publish(recipe, found, folder, command, pages)}"


def publish(
    recipe: Recipe[Found], found: Found, folder: Path, command: str, pages: Mapping[str, str] | None = None
) -> Path:  # fmt: skip
    """Write a folder; return its page. Prose that stands on the page is kept.

    Raises
    ------
    ConfigError
        If the page that is there has no marks.
    """
    report = recipe.report_of(found)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else _new_page(report)
    before, _, after = _parted(text, page)
    page.write_text(f"{before}{BEGIN}\n{report.tables}\n{END}{after}", encoding="utf-8")
    files = {**report.figures, **(pages or {})}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / recipe.file).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    manifest = {
        "command": command, "commit": source_commit(), "host": host_facts(), "versions": versions(),
        "sha256": {name: _digest(folder / name) for name in sorted([recipe.file, *files])},
    }  # fmt: skip
    write_json(folder / MANIFEST, manifest)
    return page


def compare(recipe: Recipe[Found], found: Found, folder: Path) -> str:
    """Return that a folder is untouched and agrees with what was found.

    Raises
    ------
    ConfigError
        If it is not, or does not; the line names the first that differs.
    """
    known = hold(recipe, folder)
    if differing := list(recipe.differences(known, found)):
        raise ConfigError(f"{folder}: {differing[0]}" + (f" (and {len(differing) - 1} more)" if differing[1:] else ""))
    return f"{folder}: what is published is found again"


def hold(recipe: Recipe[Found], folder: Path) -> Found:
    """Return a folder's aggregates, from which its page and its figures follow to the letter.

    Raises
    ------
    ConfigError
        If a file is missing or was changed, or if this program draws other figures from the same aggregates.
    """
    known = read(recipe, folder)
    try:
        digests = msgspec.json.decode((folder / MANIFEST).read_bytes())["sha256"]
        changed = [name for name, digest in digests.items() if _digest(folder / name) != digest]
        page = (folder / PAGE).read_text(encoding="utf-8")
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{folder}: cannot be compared: {error}") from None
    if changed:
        raise ConfigError(f"{folder / changed[0]}: was changed after it was published")
    report = recipe.report_of(known)
    if _parted(page, folder / PAGE)[1].strip() != report.tables.strip():
        raise ConfigError(f"{folder / PAGE}: its tables are not those of {recipe.file}")
    for name, figure in report.figures.items():
        if (folder / name).read_text(encoding="utf-8") != figure:
            raise ConfigError(f"{folder / name}: is not what is drawn from {recipe.file} today; publish it again")
    return known


def read(recipe: Recipe[Found], folder: Path) -> Found:
    """Return a folder's aggregates as they stand.

    Raises
    ------
    ConfigError
        If there are none, or they are of another kind.
    """
    file = folder / recipe.file
    try:
        if (size := file.stat().st_size) > AGGREGATES_BYTES_MAX:
            raise ConfigError(f"{file}: has {size:,} bytes, {AGGREGATES_BYTES_MAX:,} are the most that is read")
        return msgspec.json.decode(file.read_bytes(), type=recipe.content)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{file}: cannot be compared: {error}") from None


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def short(value: float) -> str:
    """Return a number as people read it: three digits, or all of a large one's."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Return the least and the largest of some numbers."""
    return f"{short(min(values))} – {short(max(values))}"


def kept(well: bool) -> str:  # noqa: FBT001 - what is said of it
    """Return whether something that was asked is kept, so that one that is not catches the eye."""
    return "yes" if well else "**no**"


def counted(count: int, what: str) -> str:
    """Return so many of something, as in ``1 edge`` and ``2 edges``."""
    return f"{count:,} {what}" + ("s" if count != 1 else "")


def _new_page(report: Report) -> str:
    return f"{report.opening.strip()}\n\n{BEGIN}\n{END}\n" + (f"\n{report.closing.strip()}\n" if report.closing else "")


def _parted(text: str, page: Path) -> tuple[str, str, str]:
    before, begun, rest = text.partition(BEGIN)
    tables, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ConfigError(f"{page}: has no lines {BEGIN} and {END}, between which its tables stand")
    return before, tables, after


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
