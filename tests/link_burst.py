"""How long a message to everybody takes on a link that video fills; for a network namespace of its own.

``python -m tests.link_burst`` prints how long each burst took, and how long the link needs for its bytes alone, in ms.
"""

import json
import socket
import threading
import time

from loadtest.link import Sharing, shape
from reference_impl.precedence import Precedence

LINK_MBPS = 8.0
PLAYERS = 60
MESSAGE_BYTES = 400
HEADER_BYTES = 14 + 20 + 8
VIDEO_BYTES = 1400
VIDEO_WAITS_BYTES = 64 * 1024
BURSTS = 7
REST_S = 0.3


def sender(to: socket.socket, precedence: Precedence) -> socket.socket:
    """Return a socket that sends to another one, marked."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, precedence.field)
    made.connect(to.getsockname())
    return made


def receiver() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
    made.settimeout(5.0)
    made.bind(("127.0.0.1", 0))
    return made


def fill(video: socket.socket, over: threading.Event) -> None:
    """Send as much as the link takes: a send waits while as much as may wait does."""
    video.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, VIDEO_WAITS_BYTES)
    while not over.is_set():
        video.send(bytes(VIDEO_BYTES))


def main() -> None:
    """Fill the link and send bursts."""
    shape(LINK_MBPS, Sharing.BANDS)
    screen, players = receiver(), receiver()
    over = threading.Event()
    video, gateway = sender(screen, Precedence.VIDEO), sender(players, Precedence.BETS)
    filling = threading.Thread(target=fill, args=(video, over))
    filling.start()
    took_ms = []
    try:
        for _ in range(BURSTS):
            time.sleep(REST_S)
            began_s = time.perf_counter()
            for _ in range(PLAYERS):
                gateway.send(bytes(MESSAGE_BYTES))
            for _ in range(PLAYERS):
                players.recv(MESSAGE_BYTES)
            took_ms.append(round(1000 * (time.perf_counter() - began_s), 1))
    finally:
        over.set()
        filling.join()
    alone_ms = PLAYERS * (MESSAGE_BYTES + HEADER_BYTES) * 8 / LINK_MBPS / 1000
    print(json.dumps({"took_ms": took_ms, "alone_ms": alone_ms}))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
