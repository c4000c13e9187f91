import pytest

from reference_impl.domain.playback import Playback, admits, seal_playback, unseal_playback

SECRET = b"k" * 32
PLAYBACK = Playback(player=7, table=3, expires_unix_s=1000)


def test_sealed_token_is_read_back_and_fits_a_path():
    token = seal_playback(PLAYBACK, SECRET)
    assert unseal_playback(token, SECRET) == PLAYBACK
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("text", ["", "x", "????", "é", "A" * 300, "A" * 64])
def test_forged_token_is_refused(text):
    assert unseal_playback(text, SECRET) is None


def test_token_of_another_secret_is_refused():
    assert unseal_playback(seal_playback(PLAYBACK, b"other"), SECRET) is None


def test_changed_token_is_refused():
    token = seal_playback(PLAYBACK, SECRET)
    assert unseal_playback(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), SECRET) is None


@pytest.mark.parametrize(("table", "now_unix_s", "good"), [(3, 999.9, True), (3, 1000.0, False), (4, 0.0, False)])
def test_token_admits_to_its_table_until_it_expires(table, now_unix_s, good):
    assert admits(PLAYBACK, table, now_unix_s) is good
