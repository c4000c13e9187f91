"""Rules of delivery: cache lifetimes, errors, compression, headers."""

import gzip

from loadtest.streamlint.rules.rule import Looks, hold, rule
from loadtest.streamlint.walk import PLAYLISTS, RELOADS, Ask, Fetch, Walk

PLAYLIST_TYPES = frozenset({"application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl"})
MEDIA = (Ask.HINT, Ask.SEGMENT, Ask.INIT)
CACHE_MARKS = ("x-cache", "via", "cf-cache-status", "x-cache-status")


@rule("file.unknown", "must", "An unknown file is answered with 404.", "6.2.6, B.1")
def file_unknown(walk: Walk) -> Looks:
    """Look at the status."""
    for fetch in walk.asked(Ask.UNKNOWN_FILE):
        yield hold(fetch.status == 404, fetch.url, f"status {fetch.status}", "404")


@rule("cache.blocking", "must", "A blocking answer may be cached, for six target durations at most.", "B.1")
def cache_blocking(walk: Walk) -> Looks:
    """Check blocking answers: they stay true, and uncached ones cannot be shared by an edge."""
    for fetch in walk.asked(*RELOADS):
        if fetch.status == 200:
            most_s = 6 * _target_duration_s(walk, fetch)
            age_s = fetch.age_s_max
            seen = f"Cache-Control {fetch.headers.get('cache-control', 'is missing')!r}"
            yield hold(age_s is not None and 1 <= age_s <= most_s, fetch.url, seen, f"max-age from 1 to {most_s} s")


@rule("cache.plain", "must", "A plain playlist is cached for half a target duration at most.", "B.1")
def cache_plain(walk: Walk) -> Looks:
    """Check plain answers, which grow old with the next part."""
    for fetch in walk.asked(Ask.PLAIN):
        if fetch.status == 200:
            most_s = max(0.5 * _target_duration_s(walk, fetch), 0)
            age_s = fetch.age_s_max
            seen = f"Cache-Control {fetch.headers.get('cache-control', 'is missing')!r}"
            yield hold(age_s is not None and age_s <= most_s, fetch.url, seen, f"max-age up to {most_s} s, or no-store")


@rule("cache.error", "must", "Errors are cached for one target duration at most, of blocking requests four.", "B.1")
def cache_error(walk: Walk) -> Looks:
    """Check every error that came."""
    for fetch in walk.fetches:
        if fetch.status >= 400:
            blocking = fetch.ask in RELOADS or fetch.ask in {
                Ask.PART_WITHOUT_SEGMENT, Ask.FAR_SEGMENT, Ask.FAR_PART,
            }  # fmt: skip
            most_s = (4 if blocking else 1) * _target_duration_s(walk, fetch)
            seen = f"{fetch.status} with Cache-Control {fetch.headers.get('cache-control')!r}"
            yield hold((fetch.age_s_max or 0) <= most_s, fetch.url, seen, f"max-age up to {most_s} s")


@rule("cache.media", "should", "Media may be cached for as long as it is listed.", "B.1")
def cache_media(walk: Walk) -> Looks:
    """Check media, whose address never changes its content."""
    for fetch in walk.asked(*MEDIA):
        if fetch.status == 200:
            least_s = 3 * _target_duration_s(walk, fetch)
            seen = f"Cache-Control {fetch.headers.get('cache-control', 'is missing')!r}"
            yield hold((fetch.age_s_max or 0) >= least_s, fetch.url, seen, f"max-age of {least_s} s or more")


@rule("cache.age", "must", "A cache says how old its answer is.", "B.1; RFC 9111 5.1")
def cache_age(walk: Walk) -> Looks:
    """Only answers that bear a cache's mark are held to it."""
    for fetch in walk.fetches:
        if fetch.status == 200 and any(mark in fetch.headers for mark in CACHE_MARKS):
            age = fetch.headers.get("age", "missing")
            yield hold(age.isdigit(), fetch.url, f"Age is {age}", "seconds")


@rule("transport.gzip", "should", "Playlists are compressed for those who ask, and Vary says so.", "B.1")
def transport_gzip(walk: Walk) -> Looks:
    """Ask for it and unpack it."""
    for fetch in walk.asked(Ask.GZIP):
        encoding, vary = fetch.headers.get("content-encoding", "none"), fetch.headers.get("vary", "none")
        good = encoding == "gzip" and _unpacks(fetch) and "accept-encoding" in vary.lower()
        seen = f"Content-Encoding {encoding}, Vary {vary}"
        yield hold(good, fetch.url, seen, "gzip, Accept-Encoding")


@rule("transport.etag", "should", "Playlists carry an ETag.", "B.1")
def transport_etag(walk: Walk) -> Looks:
    """Check those that came with 200."""
    for fetch in walk.asked(*PLAYLISTS):
        if fetch.status == 200:
            yield hold("etag" in fetch.headers, fetch.url, "no ETag", "one")


@rule("transport.cors", "should", "Pages of any origin may read the answers, and their Age and Date.", "B.1")
def transport_cors(walk: Walk) -> Looks:
    """Check playlists and media."""
    for fetch in walk.asked(Ask.MASTER, *PLAYLISTS, *MEDIA):
        if fetch.status == 200:
            allow = fetch.headers.get("access-control-allow-origin", "missing")
            exposed = {n.strip().lower() for n in fetch.headers.get("access-control-expose-headers", "").split(",")}
            good = allow != "missing" and (exposed >= {"age", "date"} or "*" in exposed)
            seen = f"Access-Control-Allow-Origin {allow}, exposed {', '.join(sorted(exposed)) or 'nothing'}"
            yield hold(good, fetch.url, seen, "an origin; Age and Date exposed")


@rule("transport.type", "must", "Playlists are of type application/vnd.apple.mpegurl.", "4")
def transport_type(walk: Walk) -> Looks:
    """Check those that came with 200."""
    for fetch in walk.asked(Ask.MASTER, *PLAYLISTS):
        if fetch.status == 200:
            kind = fetch.headers.get("content-type", "missing").partition(";")[0].strip().lower()
            yield hold(kind in PLAYLIST_TYPES, fetch.url, f"Content-Type {kind}", "application/vnd.apple.mpegurl")


@rule("transport.length", "should", "A part says how long it is before it comes.", "RFC 9110 8.6")
def transport_length(walk: Walk) -> Looks:
    """Players measure their link by it."""
    for fetch in walk.asked(Ask.HINT):
        if fetch.status == 200:
            yield hold("content-length" in fetch.headers, fetch.url, "no Content-Length", "one")


def _target_duration_s(walk: Walk, fetch: Fetch) -> int:
    readings = walk.readings[fetch.track] if fetch.track >= 0 else list(walk.every_reading)
    return max((reading.said.target_duration_s for reading in readings), default=0)


def _unpacks(fetch: Fetch) -> bool:
    try:
        return gzip.decompress(fetch.body).startswith(b"#EXTM3U")
    except (OSError, EOFError):
        return False
