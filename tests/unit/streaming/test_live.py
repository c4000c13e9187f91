import pytest
from picows import WSMsgType

from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.live import LiveHub, Viewer
from reference_impl.streaming.messages import FramePush, RenditionInfo, StreamInfo

INFO = StreamInfo(1, 1, MediaTiming(), (RenditionInfo("hi", 426, 240, 1, "avc1", b"init"),))


class FakeTransport:
    """Keeps what was sent."""

    def __init__(self):
        self.sent = []
        self.underlying_transport = self

    def send(self, kind, data):
        self.sent.append((kind, data))

    def set_write_buffer_limits(self, high):
        self.high = high

    def get_extra_info(self, name):
        return self

    def setsockopt(self, *option):
        pass

    @property
    def fragments(self):
        return [data.decode() for kind, data in self.sent if kind is WSMsgType.BINARY and data != b"init"]


@pytest.fixture
def hub():
    hub = LiveHub(1000)
    hub.start(INFO)
    return hub


def join(hub):
    viewer, transport = Viewer(hub, (1, "hi")), FakeTransport()
    viewer.on_ws_connected(transport)
    return viewer, transport


def film(hub, slots, gop=4):
    for slot in slots:
        key = slot % gop == 0
        hub.publish(INFO, FramePush(slot, key, (f"{'K' if key else 'f'}{slot}".encode(),)))


def test_late_joiner_gets_what_it_is_then_starts_at_an_independent_frame(hub):
    film(hub, range(6))
    _, transport = join(hub)
    film(hub, range(6, 10))
    assert [kind for kind, _ in transport.sent[:2]] == [WSMsgType.TEXT, WSMsgType.BINARY]
    assert transport.fragments == ["K8", "f9"]


def test_full_viewer_misses_frames_until_the_next_independent_one(hub):
    viewer, transport = join(hub)
    film(hub, range(2))
    viewer.pause_writing()
    film(hub, range(2, 6))
    viewer.resume_writing()
    film(hub, range(6, 10))
    assert transport.fragments == ["K0", "f1", "K8", "f9"]
    assert viewer.frames_missed == 6


def test_viewer_still_full_at_an_independent_frame_waits_for_another(hub):
    viewer, transport = join(hub)
    viewer.pause_writing()
    film(hub, range(5))
    viewer.resume_writing()
    film(hub, range(5, 9))
    assert transport.fragments == ["K8"]


def test_changed_stream_is_opened_again_for_those_who_watch(hub):
    _, transport = join(hub)
    film(hub, range(2))
    hub.start(INFO)
    film(hub, range(2, 5))
    assert [kind for kind, _ in transport.sent].count(WSMsgType.TEXT) == 2
    assert transport.fragments == ["K0", "f1", "K4"]


def test_viewer_that_left_gets_nothing_and_is_forgotten(hub):
    viewer, transport = join(hub)
    viewer.on_ws_disconnected(transport)
    film(hub, range(4))
    assert transport.fragments == []
    assert hub.viewers == 0
