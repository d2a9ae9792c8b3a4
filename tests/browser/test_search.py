"""From a word that was on a screen to the moment at which it was there."""

import asyncio
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_word_on_a_screen_is_found_and_its_hit_opens_the_player_at_that_moment(
    open_window: OpenWindow, local: int
) -> None:
    window, word = await open_window(), f"needle{uuid4().hex[:8]}"
    await window.open(local)
    # Idle time before and after, which the player leaves out; then the word is gone from the screen.
    await window.run(f"sleep 3; echo {word[:6]}''{word[6:]}; sleep 3; printf '\\033[H\\033[2Jwip%s\\n' ed; sleep 3")
    await window.shows("wiped")
    page = window.page
    uid = window.uid

    async def found() -> bool:
        await window.go(f"/search/?q={word}")
        if await page.locator(".hit mark").count():
            return True
        await asyncio.sleep(1)  # searches are counted
        return False

    # The shell still runs: the worker indexes what live sessions print.
    await until(found, "the word is found", within=60)
    await window.go(f"/terminal/{uid}/")
    await window.live()
    await window.run("exit")
    await window.told("The shell exited")
    await window.go("/")
    await page.get_by_role("link", name="Search").click()
    await page.get_by_label("Text in transcripts").fill(word)
    await page.keyboard.press("Enter")
    await page.locator(".hit-head a").first.click()
    moment = float(parse_qs(urlsplit(page.url).query)["t"][0])
    assert moment >= 3
    player = page.locator(".ap-player").first
    await expect(player).to_contain_text(word, timeout=15_000)
    await expect(player).not_to_contain_text("wiped")
    # A link to this moment is a link to this moment.
    await page.get_by_role("button", name="Link to this moment").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert abs(float(parse_qs(urlsplit(page.url).query)["t"][0]) - moment) < 1
