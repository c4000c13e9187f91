"""A player's round trip as the server measures it: one question at a time, and only the right answer counts.

The shortest of the last few measurements is used, so that one delayed answer changes nothing. The question is not to be
guessed, so an answer cannot be early; who delays every answer seems further away than she is, and gains what a close
policy bounds.
"""

SAMPLES_MAX = 8


class RoundTrip:
    """Measures one player's link."""

    __slots__ = ("_asked", "_samples_ns", "ns")

    def __init__(self) -> None:
        self._samples_ns: tuple[int, ...] = ()
        self._asked: tuple[bytes, int] | None = None
        self.ns = 0
        """The shortest round trip of late, 0 before the first."""

    @property
    def waiting(self) -> bool:
        """Whether a question has no answer yet; it may never get one."""
        return self._asked is not None

    def ask(self, question: bytes, now_ns: int) -> None:
        """Note that a question was sent, if none is open: an open one is not replaced by a later start."""
        if self._asked is None:
            self._asked = question, now_ns

    def answer(self, text: bytes, now_ns: int) -> None:
        """Take an answer; one to another question says nothing."""
        if self._asked is not None and self._asked[0] == text:
            self._samples_ns = (*self._samples_ns, now_ns - self._asked[1])[-SAMPLES_MAX:]
            self.ns = min(self._samples_ns)
            self._asked = None
