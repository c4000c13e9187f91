"""A shared link: what the kernel is told, and that it does it."""

import socket

import pytest

from loadtest.link import FIRST, LATER, SHARED, commands
from reference_impl.precedence import Precedence, listening


def told(mbps, *, bands):
    return [" ".join(command) for command in commands(mbps, bands=bands)]


def test_with_bands_bets_have_a_share_of_their_own_and_go_first():
    lines = told(8, bands=True)
    assert f"tc class add dev lo parent {SHARED} classid {FIRST} htb rate 7200kbit ceil 8000kbit prio 0" in lines
    assert f"tc class add dev lo parent {SHARED} classid {LATER} htb rate 800kbit ceil 8000kbit prio 1" in lines
    assert [line.partition("dsfield ")[2] for line in lines if "dsfield" in line] == [
        f"0xb8 0xfc flowid {FIRST}", f"0x88 0xfc flowid {LATER}",
    ]  # fmt: skip


def test_in_one_queue_both_wait_alike():
    lines = told(8, bands=False)
    assert not any(FIRST in line.split() for line in lines)
    assert sum(line.endswith(f"flowid {LATER}") for line in lines) == 2


def test_connections_inherit_the_mark_of_their_listener():
    listener = listening("127.0.0.1", 0, Precedence.BETS)
    with listener, socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as served:
        assert served.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == Precedence.BETS.field
        assert client.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0


@pytest.mark.parametrize("precedence", [None, *Precedence])
def test_listener_takes_a_free_port(precedence):
    with listening("127.0.0.1", 0, precedence) as listener:
        assert listener.getsockname()[1] > 0
