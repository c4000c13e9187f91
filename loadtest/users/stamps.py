"""The kernel's arrival stamps of a TCP socket: what a load generator can say about the system, not about itself."""

import contextlib
import socket
import struct
from _socket import socket as KernelSocket  # noqa: N812 - the public name is gevent's once gevent has patched it

from reference_impl.domain.units import NS_PER_S

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python's socket module does not name it
_SOL_SOCKET = int(socket.SOL_SOCKET)  # an enum's comparison costs as much as the read
_STAMP = struct.Struct("@qq")
_NOTE_BYTES = socket.CMSG_SPACE(_STAMP.size)


def ask_for_stamps(sock: KernelSocket) -> None:
    """Turn stamps on; where the kernel has none, every stamp is 0."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive_stamped(sock: KernelSocket, bytes_max: int) -> tuple[bytes, int]:
    """Return what a read brought, and when its last segment arrived: CLOCK_REALTIME ns, 0 if not stamped."""
    data, notes, _, _ = sock.recvmsg(bytes_max, _NOTE_BYTES)
    for level, kind, note in notes:
        if level == _SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, ns = _STAMP.unpack_from(note)
            return data, seconds * NS_PER_S + ns
    return data, 0
