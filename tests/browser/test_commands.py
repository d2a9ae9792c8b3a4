"""A command without a terminal, on the pages: its output is read there, and nobody types into it."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, PHONE, OpenWindow
from tests.integration.client import Api, Terminal

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PROGRAM = 'printf "first line\\nsecond line\\n"; read go; echo "$go" >&2; exit 3'


async def _running(developer: Api, local: int) -> Terminal:
    """Printed two lines and waits for one of input."""
    client = await Terminal.opened(developer, local, kind="exec", command=["sh", "-c", PROGRAM], title="nightly")
    await client.shown("second line")
    return client


@pytest.mark.parametrize("size", [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone")])
async def test_its_owner_watches_it_and_takes_it_from_nobody(
    open_window: OpenWindow, developer: Api, local: int, size: dict[str, int]
) -> None:
    client = await _running(developer, local)
    window = await open_window(size=size)
    await window.go("/sessions/?kind=exec&state=live")
    row = window.page.locator(f"#row-{client.uid}")
    await expect(row.get_by_role("link", name="Attach")).to_have_count(0)
    await row.get_by_role("link", name="Watch").click()
    # A bare newline goes back to the first column, as it would on a terminal of its own.
    await window.sees("first line\nsecond line")
    # There is no size to follow: it has the window's.
    await expect(window.page.locator("[data-size]")).not_to_have_text(re.compile("^80\\D+24$"))
    await window.type("x")
    await expect(window.page.get_by_text("You are watching: read only.")).to_be_visible()
    await client.type("from its client\n")
    assert (await window.told("The command ended")).count("Exit code 3") == 1
    await expect(window.page.get_by_role("button", name="Open again")).to_have_count(0)
    assert await client.closed() == 1000
    assert b"from its client" in client.received


async def test_its_page_tells_what_a_command_has(open_window: OpenWindow, developer: Api, local: int) -> None:
    client = await _running(developer, local)
    await client.type("done\n")
    await developer.ended(client.uid)
    window = await open_window()
    await window.go(f"/sessions/{client.uid}/")
    facts = window.page.locator(".facts").first
    await expect(facts).to_contain_text("Input")
    for word in ("Size", "Typed"):
        await expect(facts.locator("dt", has_text=word)).to_have_count(0)
    await expect(facts).to_contain_text("without input or output")
    await expect(window.page.get_by_role("link", name="Open again")).to_have_count(0)
    await expect(window.page.get_by_text("The command ended").first).to_be_visible()
