"""The kernel's arrival stamps of a TCP socket: what a load generator can say about the system, not about itself."""

import contextlib
import socket
import struct

from reference_impl.domain.units import NS_PER_S

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python's socket module does not name it
_STAMP = struct.Struct("@qq")


def ask_for_stamps(sock: socket.socket) -> None:
    """Turn stamps on; where the kernel has none, every stamp is 0."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive_stamped(sock: socket.socket, bytes_max: int) -> tuple[bytes, int]:
    """Return what a read brought, and when its last segment arrived: CLOCK_REALTIME ns, 0 if not stamped."""
    data, notes, _, _ = sock.recvmsg(bytes_max, socket.CMSG_SPACE(_STAMP.size))
    for level, kind, note in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, ns = _STAMP.unpack(note[: _STAMP.size])
            return data, int(seconds) * NS_PER_S + int(ns)
    return data, 0
