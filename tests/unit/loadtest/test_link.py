"""A shared link: what the kernel is told, and that it does it."""

import os
import shutil
import socket

import pytest

from loadtest.bench.link import order
from loadtest.link import ELSEWHERE, FIRST, LATER, SHARED, TOOLS, Sharing, commands, run_apart
from reference_impl.domain.errors import OperationalError
from reference_impl.precedence import Precedence, listening

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, unshare, ip and tc"
)


def told(mbps, sharing):
    return [" ".join(command) for command in commands(mbps, sharing)]


def marked(lines):
    return [line.partition("dsfield ")[2] for line in lines if "dsfield" in line]


def test_with_bands_bets_have_a_share_of_their_own_and_go_first():
    lines = told(8, Sharing.BANDS)
    assert f"tc class add dev lo parent {SHARED} classid {FIRST} htb rate 7200kbit ceil 8000kbit prio 0" in lines
    assert f"tc class add dev lo parent {SHARED} classid {LATER} htb rate 800kbit ceil 8000kbit prio 1" in lines
    assert marked(lines) == [f"0xb8 0xfc flowid {FIRST}", f"0x88 0xfc flowid {LATER}"]


def test_in_one_queue_both_wait_alike():
    lines = told(8, Sharing.ONE_QUEUE)
    assert not any(FIRST in line.split() for line in lines)
    assert marked(lines) == [f"0xb8 0xfc flowid {LATER}", f"0x88 0xfc flowid {LATER}"]


def test_apart_bets_have_the_whole_link_and_video_another_one():
    lines = told(8, Sharing.APART)
    assert f"tc class add dev lo parent {SHARED} classid {FIRST} htb rate 8000kbit ceil 8000kbit prio 0" in lines
    assert f"tc class add dev lo parent 1: classid {ELSEWHERE} htb rate 8000kbit ceil 8000kbit" in lines
    assert marked(lines) == [f"0xb8 0xfc flowid {FIRST}", f"0x88 0xfc flowid {ELSEWHERE}"]


def test_each_pair_is_of_neighbours_in_alternating_order_with_one_queue_between_pairs():
    apart, bands, queue = Sharing
    assert order(4, 2) == [apart, bands, bands, apart, queue, apart, bands, bands, apart, queue]
    assert order(1, 1) == [apart, bands, queue]


@needs_root
@pytest.mark.parametrize(
    ("statement", "timeout_s", "said"),
    [("import time; time.sleep(20)", 0.4, "not done within 0.4 s"), ("import nowhere", 20, "No module named")],
    ids=["hangs", "fails"],
)
def test_what_hangs_or_fails_apart_is_said_in_one_line(statement, timeout_s, said):
    with pytest.raises(OperationalError, match=said):
        run_apart("timeit", ("-n", "1", "-r", "1", statement), timeout_s)


def test_connections_inherit_the_mark_of_their_listener():
    listener = listening("127.0.0.1", 0, Precedence.BETS)
    with listener, socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as served:
        assert served.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == Precedence.BETS.field
        assert client.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0


@pytest.mark.parametrize("precedence", [None, *Precedence])
def test_listener_takes_a_free_port(precedence):
    with listening("127.0.0.1", 0, precedence) as listener:
        assert listener.getsockname()[1] > 0
