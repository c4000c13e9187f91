"""Who may come in: origins, tickets, and sessions that have ended.

A ticket opens one socket: it is genuine, for this gateway, not expired, not used before, and its log-in session has not
ended. What is remembered is forgotten when no ticket can be that old any more.
"""

from collections.abc import Mapping, Sequence

from reference_impl.domain.table_messages import EndedSessions
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, unseal

NONCES_MAX = 100_000
OVERLAP_MS = 5_000
"""Asked for again, since a session's end may become visible a little later than it says."""
REMEMBERED_MS = 1_000 * (TICKET_S_MAX + 10) + OVERLAP_MS


class Door:
    """A gateway's door.

    Parameters
    ----------
    gateway : str
        Whose it is.
    secret : bytes
        The key that placement signs tickets with.
    origins : sequence of str
        Pages that may open sockets. A client that is no browser names none, and proves itself by its ticket alone.
    """

    def __init__(self, gateway: str, secret: bytes, origins: Sequence[str]) -> None:
        self._gateway = gateway
        self._secret = secret
        self._origins = {origin.encode() for origin in origins}
        self._used: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._until_unix_ms = 0

    def may_knock(self, headers: Mapping[str, bytes | str]) -> bool:
        """Tell whether the page that opens a socket may do so."""
        origin = headers.get("Origin") or headers.get("origin")
        return origin is None or (origin.encode() if isinstance(origin, str) else origin) in self._origins

    def admit(self, text: str, now_unix_s: float) -> Ticket | None:
        """Return the ticket, which is used up by that, or None if it opens nothing."""
        ticket = unseal(text, self._secret, self._gateway, now_unix_s)
        if ticket is None or ticket.nonce in self._used or ticket.session in self._ended:
            return None
        if len(self._used) >= NONCES_MAX:
            return None
        self._used[ticket.nonce] = ticket.expires_unix_s
        return ticket

    def ask_from_unix_ms(self, now_unix_ms: int) -> int:
        """Return the instant from which ended sessions are to be asked for."""
        return max(self._until_unix_ms - OVERLAP_MS, now_unix_ms - REMEMBERED_MS)

    def hear(self, ended: EndedSessions, now_unix_ms: int) -> set[str]:
        """Take the answer; return the sessions that were not known to have ended."""
        news = set(ended.sessions) - self._ended.keys()
        self._until_unix_ms = max(self._until_unix_ms, ended.until_unix_ms)
        self._ended.update(dict.fromkeys(news, now_unix_ms))
        return news

    def forget(self, now_unix_ms: int) -> None:
        """Forget what no ticket can refer to any more."""
        self._used = {nonce: until_s for nonce, until_s in self._used.items() if until_s * 1_000 > now_unix_ms}
        self._ended = {session: ms for session, ms in self._ended.items() if ms > now_unix_ms - REMEMBERED_MS}
