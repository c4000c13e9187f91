"""Every game's layout in a real browser: a stake never lies on the words of a place."""

from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.async_api import Browser, Page, Route

from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.game import Game
from reference_impl.domain.games.roulette import RED
from reference_impl.web import FOLDER

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

SCREENS = ((360, 740), (390, 844), (1280, 720), (1280, 1000))
STAKE = "2.5k"
"""As long as the text on a chip gets."""

DRAW = """async (rules) => {
    const { Layout } = await import("/static/layout.js");
    const view = document.getElementById("view");
    view.replaceChildren(document.getElementById("table-view").content.cloneNode(true));
    document.body.dataset.view = "table-view";
    globalThis.layout = new Layout(view.querySelector("#layout"), rules, () => {});
    layout.open = true;
}"""

# Each place in turn bears the only stake. What is wrong is told in words: what lies on what, by how many pixels.
FAULTS = """(text) => {
    const wrong = [];
    const buttons = [...document.querySelectorAll("#layout button")];
    const labels = new Map(buttons.map((one) => [one, one.querySelector("span")]).filter(([, label]) => label));
    const name = (button) => button.dataset.spot;
    buttons.forEach((button, selection) => {
        layout.stakes(new Map([[selection, { text, state: "accepted" }]]));
        const stake = button.querySelector(".chip").getBoundingClientRect();
        for (const [other, label] of labels) {
            const words = label.getBoundingClientRect();
            const across = Math.min(stake.right, words.right) - Math.max(stake.left, words.left);
            const down = Math.min(stake.bottom, words.bottom) - Math.max(stake.top, words.top);
            if (Math.min(across, down) > 0.5) wrong.push(`${name(button)}'s on ${name(other)}: ${across} x ${down}`);
        }
        const cell = button.getBoundingClientRect();
        for (const box of labels.has(button) ? [stake, labels.get(button).getBoundingClientRect()] : []) {
            const sides = [cell.left - box.left, box.right - cell.right, cell.top - box.top, box.bottom - cell.bottom];
            const out = Math.max(...sides);
            if (out > 0.5) wrong.push(`${name(button)}: ${out} out of its place`);
        }
        if (stake.width < 15) wrong.push(`${name(button)}'s stake is ${stake.width} wide`);
    });
    return wrong;
}"""


async def serve(route: Route) -> None:
    """Answer with the page's files as they lie in their folder: no server is asked."""
    path = urlsplit(route.request.url).path.removeprefix("/static").strip("/")
    await route.fulfill(path=FOLDER / (path or "index.html"))


async def draw(page: Page, game: Game) -> None:
    """Draw a game's layout where the table page has it."""
    spots = [msgspec.to_builtins(spot) for spot in game.spots]
    await page.evaluate(DRAW, {"game": game.name, "spots": spots, "red": sorted(RED), "decisions": []})


async def test_no_stake_lies_on_the_words_of_a_place_in_any_game_on_any_screen(browser: Browser) -> None:
    page = await browser.new_page()
    await page.route("**/*", serve)
    await page.goto("http://page.invalid/")
    wrong = {}
    for game in GAMES.values():
        await draw(page, game)
        for width, height in SCREENS:
            await page.set_viewport_size({"width": width, "height": height})
            wrong[game.name, width, height] = await page.evaluate(FAULTS, STAKE)
    await page.close()
    assert {where: found for where, found in wrong.items() if found} == {}
