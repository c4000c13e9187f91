"""Byte ranges of answers."""

import pytest

from reference_impl.streaming.http import Request, refuse, respond
from reference_impl.streaming.ranges import ranged

WHOLE = respond(200, b"0123456789", "video/mp4", b"Cache-Control: max-age=9\r\n")


def ask(asked, response=WHOLE, **headers):
    return ranged(Request("GET", "/a", "", {"range": asked, **headers}), response)


@pytest.mark.parametrize(
    ("asked", "body", "span"),
    [
        ("bytes=0-3", b"0123", b"0-3/10"),
        ("bytes=4-4", b"4", b"4-4/10"),
        ("bytes=7-", b"789", b"7-9/10"),
        ("bytes=-2", b"89", b"8-9/10"),
        ("bytes=-99", b"0123456789", b"0-9/10"),
        ("bytes=8-99", b"89", b"8-9/10"),
    ],
)
def test_range_is_cut_out_of_the_answer(asked, body, span):
    part = ask(asked)
    assert (part.status, part.body) == (206, body)
    assert b"Content-Range: bytes " + span + b"\r\n" in part.head
    assert b"Content-Length: %d\r\n" % len(body) in part.head
    assert part.head.count(b"Content-Length") == 1
    assert b"Cache-Control: max-age=9\r\n" in part.head


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_range_beyond_the_end_is_416_with_the_length(asked):
    refused = ask(asked)
    assert (refused.status, refused.body) == (416, b"")
    assert b"Content-Range: bytes */10\r\n" in refused.head


@pytest.mark.parametrize("asked", ["", "bytes=-", "bytes=3-1", "bytes=0-1,4-5", "items=0-1", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole(asked):
    assert ask(asked) == WHOLE


def test_changed_object_is_sent_whole():
    assert ask("bytes=0-3", **{"if-range": '"old"'}) == WHOLE


def test_errors_have_no_ranges():
    missing = refuse(404, "no such file")
    assert ask("bytes=0-3", missing) == missing
