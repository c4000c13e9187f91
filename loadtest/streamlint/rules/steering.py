"""Rules of content steering; a stream without it is not held to them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from loadtest.streamlint.rules.rule import Finding, Looks, hold, rule
from loadtest.streamlint.walk import Ask, Walk

TTL_S_MIN, TTL_S_MAX = 1, 3600
"""hls.js has no lower clamp: a TTL of 0 becomes a storm of requests."""


@rule("steering.tag", "must", "EXT-X-CONTENT-STEERING names a server, and a pathway that some variant has.", "4.4.6.6")
def steering_tag(walk: Walk) -> Looks:
    """Compare with the variants."""
    if walk.master is not None and walk.master.steering is not None:
        tag = walk.master.steering
        pathways = sorted({variant.pathway for variant in walk.master.variants})
        good = bool(tag.server_uri) and tag.pathway in pathways
        yield hold(good, walk.url, f"PATHWAY-ID {tag.pathway!r}, server {tag.server_uri!r}", f"one of {pathways}")


@rule("steering.status", "must", "A steering manifest is never refused with 429.", "7.2; hls.js stops for good")
def steering_status(walk: Walk) -> Looks:
    """Check each of several requests in a row."""
    for fetch in walk.asked(Ask.STEERING):
        yield hold(fetch.status == 200, fetch.url, f"status {fetch.status}", "200")


@rule("steering.manifest", "must", "A steering manifest has VERSION 1, a TTL and an order of known pathways.", "7.1")
def steering_manifest(walk: Walk) -> Looks:
    """Read each."""
    known = {variant.pathway for variant in walk.master.variants} if walk.master else set()
    for fetch in walk.asked(Ask.STEERING):
        if fetch.status != 200:
            continue
        try:
            said: Any = msgspec.json.decode(fetch.body)
        except msgspec.DecodeError as error:
            yield Finding(fetch.url, f"no JSON: {error}", "a JSON object")
            continue
        for good, seen, allowed in _judged(said, known):
            yield hold(good, fetch.url, seen, allowed)


@rule("steering.cache-key", "must", "Steering parameters do not change the answer.", "7.3, B.1")
def steering_cache_key(walk: Walk) -> Looks:
    """Check the answers to requests with _HLS_pathway and _HLS_throughput."""
    for fetch in walk.asked(Ask.STEERED):
        newest = next((r.newest for r in walk.readings[fetch.track] if r.fetch is fetch), None)
        good = newest is not None and newest >= fetch.wanted
        yield hold(good, fetch.url, f"status {fetch.status}", "the playlist as without them")


def _judged(said: Any, known: Iterable[str]) -> list[tuple[bool, str, str]]:
    if not isinstance(said, dict):
        return [(False, f"{type(said).__name__}", "a JSON object")]
    order, ttl_s = said.get("PATHWAY-PRIORITY"), said.get("TTL")
    clones = {clone.get("ID") for clone in said.get("PATHWAY-CLONES", []) if isinstance(clone, dict)}
    named = order if isinstance(order, list) else []
    strangers = [name for name in named if name not in clones and name not in set(known)]
    return [
        (said.get("VERSION") == 1, f"VERSION {said.get('VERSION')}", "1"),
        (
            isinstance(ttl_s, int | float) and TTL_S_MIN <= ttl_s <= TTL_S_MAX,
            f"TTL {ttl_s}",
            f"{TTL_S_MIN} to {TTL_S_MAX} s",
        ),
        (bool(named) and not strangers, f"PATHWAY-PRIORITY {order}", "known pathways, at least one"),
    ]
