"""Glass to glass: how old the picture on a screen is, by the capture time that stands in every frame.

The whole system films one table; a real browser plays it, one player at a time: the page's LL-HLS player, hls.js with
its defaults on the same playlist, and the page's interactive player. They take turns, and each is measured after it has
settled. The camera's clock and the screen's are the same machine's, so that no offset enters.

A frame's age is taken when it is handed to the compositor; the display itself is not measured.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from loadtest.adapters.base import Target
from loadtest.adapters.http import JsonClient
from loadtest.adapters.ours import LiveTable, player_name, player_password
from loadtest.bench.result import Result, summarise
from loadtest.clock import HostClock
from loadtest.doctor import chromium
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

SETTLE_S = 6.0
WATCH_S = 10.0
START_S_MAX = 20.0
LOG_IN_S_MAX = 10.0


class Tier(NamedTuple):
    """A player: what the probe page calls it, and how far behind the newest part it stays, 0 for as close as it can."""

    player: str
    hold_back_s: float = 0.0


TIERS = {
    "llhls": Tier("hls"),
    "llhls 640": Tier("hls", 0.64),
    "llhls 960": Tier("hls", 0.96),
    "hls.js defaults": Tier("defaults"),
    "fmp4": Tier("live"),
}
"""Players by the name in the figures. 960 ms are the stream's PART-HOLD-BACK, 640 the least that the draft allows."""


class Watched(NamedTuple):
    """Frames' ages in ms, and how often playback stalled, in one repetition."""

    ages_ms: list[float]
    stalls: int


async def measure(n: int, progress: Progress) -> Result:
    """Let each player play `n` times.

    Raises
    ------
    ConfigError
        If there is no browser, or hls.js is not installed.
    OperationalError
        If a player shows nothing.
    """
    path = chromium()
    if path is None:
        raise ConfigError("bench stream needs Chromium: none on the PATH, and LIVETABLE_CHROMIUM names none")
    seen: dict[str, list[Watched]] = {name: [] for name in TIERS}
    async with (
        Stack(StackConfig(tables=1, gateways=1, shards=1, edges=1), progress.say) as stack,
        _browser(path) as browser,
    ):
        operator = LiveTable(Target(stack.api_url, stack.admin_token), HostClock())
        await asyncio.to_thread(operator.provision, 1, 0)
        video = await asyncio.to_thread(_place, stack.api_url)
        for turn in range(n):
            for name, tier in TIERS.items():
                progress.say(f"{name}, {turn + 1} of {n}")
                seen[name].append(await _watch(browser, stack.api_url, tier, _url(video, tier.player)))
    return _result(seen)


def _place(api_url: str) -> dict[str, Any]:
    with JsonClient(api_url, LOG_IN_S_MAX) as client:
        token = client.post("/v1/login", {"name": player_name(1), "password": player_password(1)})["token"]
        video: dict[str, Any] = client.post("/v1/placement", {"table": 1}, token)["video"]
    return video


def _url(video: dict[str, Any], player: str) -> str:
    path = f"/{video['token']}/live/1"
    if player == "live":
        return f"{video['live']}{path}/480p"
    return f"{video['edges'][0]['url']}{path}/master.m3u8"


@asynccontextmanager
async def _browser(path: str) -> AsyncIterator[Any]:
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415 - only this bench drives a browser
    except ImportError:
        raise ConfigError("bench stream needs Playwright: run `make setup`") from None
    flags = ["--autoplay-policy=no-user-gesture-required", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


async def _watch(browser: Any, api_url: str, tier: Tier, url: str) -> Watched:
    page = await browser.new_page()
    asked = {"tier": tier.player, "url": url, "holdBackS": tier.hold_back_s}
    try:
        await page.goto(f"{api_url}/probe#{quote(json.dumps(asked))}")
        await _first_frame(page, tier.player)
        await asyncio.sleep(SETTLE_S)
        await page.evaluate("probe.reset()")
        await asyncio.sleep(WATCH_S)
        probe = await page.evaluate("({...probe})")
    finally:
        await page.close()
    if not probe["agesMs"]:
        raise OperationalError(
            f"{tier.player}: no readable frame within {WATCH_S} s, {probe['unreadable']} unreadable ones"
        )
    return Watched(probe["agesMs"], probe["stalls"])


async def _first_frame(page: Any, tier: str) -> None:
    try:
        async with asyncio.timeout(START_S_MAX):
            while not await page.evaluate("globalThis.probe?.agesMs.length"):
                if missing := await page.evaluate("globalThis.probe?.missing"):
                    raise ConfigError(f"bench stream: {missing}; run `make page`")
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise OperationalError(f"{tier}: no frame within {START_S_MAX} s") from None


def _result(seen: dict[str, list[Watched]]) -> Result:
    medians = {name: [float(np.median(one.ages_ms)) for one in watched] for name, watched in seen.items()}
    return summarise(
        "stream",
        "ms glass to glass, p50",
        medians["llhls"],
        medians["hls.js defaults"],
        "hls.js with its defaults",
        {name: _figures(watched) for name, watched in seen.items()},
        lower_is_better=True,
    )


def _figures(watched: list[Watched]) -> dict[str, float]:
    ages_ms = np.concatenate([one.ages_ms for one in watched])
    p50, p95, p99 = np.percentile(ages_ms, [50, 95, 99]).round(1).tolist()
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "stalls": sum(one.stalls for one in watched),
        "frames": len(ages_ms),
    }
