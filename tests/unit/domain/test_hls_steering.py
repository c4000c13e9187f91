"""Who is told to go where."""

import pytest

from reference_impl.domain.hls_steering import HOME, Pathway, leaving_share, manifest, pathway_order

EVEN = {"edge-1": Pathway("h1:81", 100), "edge-2": Pathway("h2", 90)}


@pytest.mark.parametrize(("own", "share"), [(0, 0.0), (100, 0.0), (110, 0.0), (400, (400 - 590 / 3) / 400)])
def test_only_a_crowded_edge_sends_viewers_away_and_only_those_above_the_mean(own, share):
    assert leaving_share(own, EVEN) == pytest.approx(share)


def test_few_viewers_are_no_crowd():
    assert leaving_share(15, {"edge-1": Pathway("h", 0)}) == 0.0


def test_edge_alone_keeps_its_viewers():
    assert pathway_order(10_000, {}, "", 0.0) == [HOME]


@pytest.mark.parametrize(
    ("own", "at", "uniform", "order"),
    [
        (100, "", 0.0, [HOME, "edge-2", "edge-1"]),
        (400, "", 0.0, ["edge-2", "edge-1", HOME]),
        (400, "", 0.9, [HOME, "edge-2", "edge-1"]),
        (400, "edge-1", 0.0, ["edge-1", HOME, "edge-2"]),
        (400, "gone", 0.0, ["edge-2", "edge-1", HOME]),
    ],
)
def test_viewers_beyond_the_mean_go_to_the_emptiest_edge_and_stay_where_they_went(own, at, uniform, order):
    assert pathway_order(own, EVEN, at, uniform) == order


def test_share_of_viewers_that_goes_is_the_share_that_is_too_much():
    orders = [pathway_order(400, EVEN, "", number / 1000) for number in range(1000)]
    gone = sum(order[0] != HOME for order in orders) / 1000
    assert gone == pytest.approx(leaving_share(400, EVEN), abs=0.001)


def test_manifest_names_each_other_edge_as_a_clone_at_its_host():
    said = manifest(10, EVEN, "", 0.5)
    assert (said["VERSION"], said["TTL"]) == (1, 10)
    assert set(said["PATHWAY-PRIORITY"]) == {HOME, "edge-1", "edge-2"}
    assert [(c["BASE-ID"], c["ID"], c["URI-REPLACEMENT"]) for c in said["PATHWAY-CLONES"]] == [
        (HOME, "edge-1", {"HOST": "h1:81"}), (HOME, "edge-2", {"HOST": "h2"})
    ]  # fmt: skip
