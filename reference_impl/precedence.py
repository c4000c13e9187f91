"""How networks are to treat what a process sends: a mark in each packet, by which a shared link can let bets go first.

Bets are expedited; video, which keeps a buffer, is assured and may wait. Where no network looks at marks they change
nothing.

References
----------
RFC 2474 (the field), RFC 3246 (expedited forwarding), RFC 4594, 4.1 and 4.3 (which traffic is which class).
"""

import socket
from enum import IntEnum

BACKLOG = 1024


class Precedence(IntEnum):
    """Differentiated services code points."""

    BETS = 46
    """EF."""
    VIDEO = 34
    """AF41."""

    @property
    def field(self) -> int:
        """The octet of an IP header that bears it."""
        return self << 2


def listening(host: str, port: int, precedence: Precedence | None = None) -> socket.socket:
    """Return a listening socket; what its connections send bears the mark, since they inherit it."""
    listener = socket.create_server((host, port), backlog=BACKLOG)
    if precedence is not None:
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, precedence.field)
    return listener
