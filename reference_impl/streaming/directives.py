"""Delivery directives: what a request asks for beyond the playlist (``_HLS_msn``, ``_HLS_part``, ``_HLS_skip``).

Parameters of other names, such as those of content steering, are left out: they must not split a cache.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl

from reference_impl.domain.errors import RemoteProtocolError

DIGITS_MAX = 12


class Directives(NamedTuple):
    """What a playlist request asks for; -1 where it does not."""

    msn: int = -1
    part: int = -1
    skip: bool = False

    @property
    def blocking(self) -> bool:
        """Whether the request names what it waits for."""
        return self.msn >= 0

    def canonical(self) -> str:
        """Return the one query string of these directives: the same wish gives the same cache key."""
        pairs = [f"_HLS_msn={self.msn}"] if self.msn >= 0 else []
        pairs += [f"_HLS_part={self.part}"] if self.part >= 0 else []
        pairs += ["_HLS_skip=YES"] if self.skip else []
        return "&".join(pairs)


def parse_directives(query: str) -> Directives:
    """Return the directives of a query string.

    Raises
    ------
    RemoteProtocolError
        If a number is not one, or a part is named without its segment: the answer is 400.
    """
    if not query:
        return Directives()
    given = dict(parse_qsl(query, keep_blank_values=True))
    msn, part = _natural(given, "_HLS_msn"), _natural(given, "_HLS_part")
    if part >= 0 > msn:
        raise RemoteProtocolError(f"_HLS_part={part} without _HLS_msn")
    skip = given.get("_HLS_skip", "")
    if skip not in {"", "YES", "v2"}:
        raise RemoteProtocolError(f"_HLS_skip={skip[:20]!r} is neither YES nor v2")
    return Directives(msn, part, bool(skip))


def _natural(given: dict[str, str], name: str) -> int:
    text = given.get(name)
    if text is None:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise RemoteProtocolError(f"{name}={text[:20]!r} is not a natural number of at most {DIGITS_MAX} digits")
    return int(text)
