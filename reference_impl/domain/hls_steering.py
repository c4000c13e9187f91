"""Content steering: which edge a viewer is told to use next, as a pure rule over the edges' last reports.

A viewer's own edge is the pathway ``.``, since its playlists name everything relative to themselves; every other living
edge is a clone of it at another host. A crowded edge tells only the share of its viewers that is too much for it to go,
chosen by a number that is the viewer's own, so that a hint never becomes a herd. Who has gone already is left there.

References
----------
draft-pantos-hls-rfc8216bis-22: 7.1 (steering manifest), 7.2 (pathway clones), 4.4.6.6 (EXT-X-CONTENT-STEERING).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

HOME = "."
"""The pathway of variants that name none."""
TTL_S = 10
"""Between a viewer's questions. The draft recommends 300; a crowd at a table turns faster. An **assumption**."""
CONNECTIONS_A_VIEWER = 2
"""A viewer of a live stream waits for a part and for a playlist, each on a connection of its own."""
CROWDED_SHARE = 1.25
CROWDED_VIEWERS_MIN = 20
"""An edge is crowded with so many viewers more than the mean, and this share of it. **Assumptions**."""


class Pathway(NamedTuple):
    """Another edge: its host (with a port if it has an unusual one) and its viewers."""

    host: str
    viewers: int


def leaving_share(own_viewers: int, others: Mapping[str, Pathway]) -> float:
    """Return the share of its viewers that an edge should send away, from 0 to 1."""
    mean = (own_viewers + sum(other.viewers for other in others.values())) / (len(others) + 1)
    if own_viewers < mean * CROWDED_SHARE or own_viewers < mean + CROWDED_VIEWERS_MIN:
        return 0.0
    return (own_viewers - mean) / own_viewers


def pathway_order(own_viewers: int, others: Mapping[str, Pathway], at: str, uniform: float) -> list[str]:
    """Return the pathways for one viewer, best first; it always holds every one.

    Parameters
    ----------
    own_viewers : int
        Viewers of the edge that is asked.
    others : mapping of str to Pathway
        The other living edges by name.
    at : str
        The pathway that the viewer uses now, empty if it did not say.
    uniform : float
        The viewer's own number in [0, 1): the same at every question.
    """
    ranked = sorted(others, key=lambda name: (others[name].viewers, name))
    if at in others:
        return [at, HOME, *(name for name in ranked if name != at)]
    if uniform < leaving_share(own_viewers, others):
        return [*ranked, HOME]
    return [HOME, *ranked]


def manifest(own_viewers: int, others: Mapping[str, Pathway], at: str, uniform: float) -> dict[str, Any]:
    """Return a steering manifest; the arguments are those of :func:`pathway_order`."""
    clones = [{"BASE-ID": HOME, "ID": name, "URI-REPLACEMENT": {"HOST": others[name].host}} for name in sorted(others)]
    order = pathway_order(own_viewers, others, at, uniform)
    return {"VERSION": 1, "TTL": TTL_S, "PATHWAY-PRIORITY": order, "PATHWAY-CLONES": clones}
