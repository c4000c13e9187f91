"""A hundred thousand mutilated frames: each is refused, or says something that is within every limit."""

import random

import msgspec

from reference_impl.domain.protocol import AMOUNT_MINOR_MAX, ClientMessage, PlaceBet

FRAMES = [
    b'{"t":"hello","ticket":"%064x"}',
    b'{"t":"ping","sent_ns":%d}',
    b'{"t":"bet","id":"%032x","table":1,"round":281474976710657,"window":0,"selection":36,"amount_minor":100}',
]
PIECES = [b"-", b"1e400", b"null", b"[", b"}", b'"', b"\\u0000", b"\xff", b"NaN", b"9" * 40, b'"t":"bet",', b"{}" * 9]


def mutilated(chance: random.Random) -> bytes:
    frame = bytearray(chance.choice(FRAMES) % chance.getrandbits(60))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(frame) + 1)
        if chance.random() < 0.5:
            frame[at : at + 1] = bytes([chance.randrange(256)])
        else:
            frame[at : at + chance.randrange(6)] = chance.choice(PIECES)
    return bytes(frame)


def test_mutilated_frames_are_refused_or_within_limits() -> None:
    decode = msgspec.json.Decoder(ClientMessage).decode
    chance = random.Random(20)
    understood = refused = 0
    for _ in range(100_000):
        try:
            message = decode(mutilated(chance))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            refused += 1
            continue
        understood += 1
        if isinstance(message, PlaceBet):
            assert 1 <= message.amount_minor <= AMOUNT_MINOR_MAX
            assert len(bytes.fromhex(message.id)) == 16
    assert refused > 50_000
    assert understood > 100
