import pytest

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.streaming.directives import Directives, parse_directives


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Directives()),
        ("_HLS_msn=7", Directives(7)),
        ("_HLS_part=2&_HLS_msn=7", Directives(7, 2)),
        ("_HLS_msn=7&_HLS_part=2&_HLS_skip=YES", Directives(7, 2, skip=True)),
        ("_HLS_skip=v2", Directives(skip=True)),
        ("_HLS_pathway=a&_HLS_throughput=1&session=9", Directives()),
    ],
)
def test_directives_are_read_and_other_parameters_left_out(query, expected):
    assert parse_directives(query) == expected
    assert parse_directives(expected.canonical()) == expected


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=1",
        "_HLS_msn=x",
        "_HLS_msn=-1",
        "_HLS_msn=",
        "_HLS_msn=1&_HLS_part=²",
        "_HLS_msn=9999999999999",
        "_HLS_skip=maybe",
    ],
)
def test_what_cannot_be_meant_is_refused(query):
    with pytest.raises(RemoteProtocolError, match="_HLS_"):
        parse_directives(query)
