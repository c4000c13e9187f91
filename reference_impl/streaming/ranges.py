"""Byte ranges: the part of an answer that a request asks for. One range a request; anything else gets the whole.

References
----------
RFC 9110: 14.1.2 (byte ranges), 14.2 (an invalid Range is ignored), 15.3.7 (206), 15.5.17 (416).
"""

import re

from reference_impl.streaming.http import CORS, Request, Response

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_LENGTH = re.compile(rb"Content-Length: \d+\r\n")


def ranged(request: Request, response: Response) -> Response:
    """Return the bytes of a good answer that the request asks for, or the answer as it is.

    ``If-Range`` asks for the whole if the object has changed; without comparing, the whole is always right.
    """
    if "range" not in request.headers:
        return response
    asked = _RANGE.fullmatch(request.headers["range"])
    if response.status != 200 or asked is None or asked[0] == "bytes=-" or "if-range" in request.headers:
        return response
    size_bytes = len(response.body)
    start, end = _span(asked[1], asked[2], size_bytes)
    if start >= size_bytes or end <= start:
        if asked[1] and asked[2] and int(asked[2]) < int(asked[1]):
            return response
        return _unsatisfiable(size_bytes)
    _, _, lines = response.head.partition(b"\r\n")
    fields = _LENGTH.sub(b"Content-Length: %d\r\n" % (end - start), lines, count=1)
    span = b"Content-Range: bytes %d-%d/%d\r\n" % (start, end - 1, size_bytes)
    return Response(206, b"HTTP/1.1 206 Partial Content\r\n" + fields + span, response.body[start:end])


def _span(first: str, last: str, size_bytes: int) -> tuple[int, int]:
    if not first:
        return max(0, size_bytes - int(last)), size_bytes
    return int(first), min(int(last) + 1 if last else size_bytes, size_bytes)


def _unsatisfiable(size_bytes: int) -> Response:
    head = b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nContent-Range: bytes */%d\r\n" % size_bytes
    return Response(416, head + CORS, b"")
