"""What goes to a player's socket: a message as a finished WebSocket frame (RFC 6455, section 5.2).

A server's frames carry no mask, so that one frame serves every socket, and several frames for one socket are one write.
"""

import msgspec

from reference_impl.domain.protocol import ServerMessage

_encode = msgspec.json.Encoder().encode
_TEXT = 0x81
_SHORT = [bytes((_TEXT, size)) for size in range(126)]
_MEDIUM = bytes((_TEXT, 126))
_LONG = bytes((_TEXT, 127))


def frame_of(message: ServerMessage) -> bytes:
    """Return a message as a text frame."""
    payload = _encode(message)
    size = len(payload)
    if size < 126:
        return _SHORT[size] + payload
    if size < 1 << 16:
        return _MEDIUM + size.to_bytes(2, "big") + payload
    return _LONG + size.to_bytes(8, "big") + payload
