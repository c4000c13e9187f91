"""What an edge by itself is told."""

import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.stack.edge_alone import config_of


def test_edge_is_told_its_name_its_origin_and_its_port():
    config = config_of(["edge-7", "10.0.0.1", "8000", "80"], "ab" * 32)
    assert (config.name, config.upstream_host, config.upstream_port, config.port) == ("edge-7", "10.0.0.1", 8000, 80)
    assert config.playback_secret == b"\xab" * 32


def test_without_a_secret_it_is_a_shield():
    assert config_of(["shield", "10.0.0.1", "8000"], "").playback_secret == b""


@pytest.mark.parametrize(
    ("arguments", "secret", "said"),
    [
        (["edge-7"], "", "1 arguments; NAME ORIGIN_HOST ORIGIN_PORT"),
        (["edge-7", "h", "http"], "", "invalid literal"),
        (["edge-7", "h", "1"], "xyz", "non-hexadecimal"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, secret, said):
    with pytest.raises(ConfigError, match=said):
        config_of(arguments, secret)
