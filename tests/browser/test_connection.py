"""What happens when the network goes away, or another window takes the session."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, AddService, OpenWindow
from tests.browser.proxy import Network
from tests.integration.client import Api
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GONE = 20.0
"""Seconds without a network."""


@pytest.mark.docker
async def test_twenty_seconds_without_a_network_lose_and_double_no_byte(
    open_window: OpenWindow, add_service: AddService, network: Network, debian: str, developer: Api
) -> None:
    window = await open_window(url=network.url)
    await window.open(await add_service("docker", debian))
    uid = window.uid
    await window.run("for i in $(seq 1200); do echo line-$i; sleep 0.02; done; echo al''l-out")
    await window.shows("line-100")
    await network.cut()
    told = await window.told("The connection is lost")
    assert "Next try in" in told or "Trying" in told
    await asyncio.sleep(GONE)
    await network.mend()
    await window.shows("all-out", within=60)
    await window.run("exit")
    await window.told("The shell exited")
    await developer.ended(uid)
    recorded = await developer.recorded(uid)
    assert bytes(window.received) == recorded
    numbers = [int(number) for number in re.findall(rb"line-(\d+)\r\n", recorded)]
    assert numbers == list(range(1, 1201))
    assert window.rendered == len(recorded)


async def test_a_connection_that_went_silent_is_noticed_and_replaced(
    open_window: OpenWindow, network: Network, local: int
) -> None:
    window = await open_window(url=network.url)
    await window.page.clock.install()
    await window.open(local)
    network.swallow()
    await window.page.clock.run_for(16_000)  # it asks whether the portal is there
    await window.page.clock.run_for(11_000)  # and has had no answer for long enough
    await until(lambda: _pass(window.page), "another connection is made", within=30)
    await window.run("echo he''ard")
    await window.shows("heard")


async def _pass(page: Page) -> bool:
    await page.clock.run_for(1_000)
    return await page.locator("[data-state=active]").is_visible() and await page.locator("[data-overlay]").is_hidden()


async def test_retry_now_does_not_wait(open_window: OpenWindow, network: Network, local: int) -> None:
    window = await open_window(url=network.url)
    await window.open(local)
    await network.cut()
    await window.told("The connection is lost")
    # Until the waits are long enough that a retry by itself would come too late for this test.
    await until(lambda: _seconds(window.page), "a wait of several seconds", within=40)
    await network.mend()
    await window.page.get_by_role("button", name="Retry now").click()
    await window.live()
    await window.run("echo back again")
    await window.shows("back again")


async def _seconds(page: Page) -> bool:
    text = await page.locator(".term-seconds").inner_text()
    return any(f"in {seconds} s" in text for seconds in range(5, 16))


async def test_another_window_takes_over_and_the_first_says_so(open_window: OpenWindow, local: int) -> None:
    first = await open_window()
    await first.open(local)
    await first.run("mark=mine")
    second = await open_window()
    await second.go(f"/terminal/{first.uid}/")
    await second.live()
    await first.told("Opened in another window")
    await second.run("echo $mark:second")
    await second.shows("mine:second")
    await first.page.get_by_role("button", name="Take it back").click()
    await first.live()
    await first.run("echo $mark:first")
    await first.shows("mine:first")
    await second.told("Opened in another window")


async def test_a_watcher_sees_and_cannot_type(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    watcher = await open_window("owner", size=PHONE)
    await watcher.go(f"/terminal/{window.uid}/?watch=1")
    await watcher.live()
    await expect(watcher.page.get_by_text("Watching")).to_be_visible()
    await watcher.type("typed by the watcher")
    await window.run("echo from the con''troller")
    await watcher.shows("from the controller")
    assert bytes(watcher.sent) == b""
    assert await watcher.size() == await window.size()  # the controller's, whatever its own window's is
    await expect(watcher.page.get_by_text("You are watching: read only.")).to_be_visible()
    await expect(watcher.page.get_by_role("button", name="Detach")).to_be_disabled()
    # An owner may end anybody's session; watching is no reason to hide that.
    await expect(watcher.page.get_by_role("button", name="End", exact=True)).to_be_enabled()


async def test_a_large_paste_arrives_whole(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("stty -echo; head -c 600000 | md5sum; stty echo; echo do''ne")
    await until(lambda: b"stty -echo" in window.received, "the command is there")
    line = "0123456789abcdef" * 4 + "\n"
    await window.page.evaluate(
        """([text]) => {
            const transfer = new DataTransfer();
            transfer.setData("text/plain", text);
            document.querySelector(".xterm-helper-textarea").dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
        }""",
        [line * 10_000],
    )
    await window.shows("done", within=60)
    assert window.sent.count(line.replace("\n", "\r").encode()) >= 600_000 // len(line)


async def test_a_revoked_grant_ends_the_terminal_and_says_so(
    open_window: OpenWindow, add_service: AddService, owner: Api
) -> None:
    service = await add_service("local", "local")
    members = await owner.get("memberships/")
    auditor = next(member for member in members["results"] if member["username"] == "auditor")
    body = {"organization": auditor["organization"], "membership": auditor["id"], "service": service}
    body |= {"permissions": ["shell"], "reason": "a test"}
    grant = (await owner.call("POST", "grants/", json=body, expect=201)).json()
    window = await open_window("auditor")
    await window.open(service)
    await owner.call("DELETE", f"grants/{grant['id']}/", expect=204)
    await window.told("Access was revoked", within=10)
    await expect(window.page.get_by_role("button", name="Open again")).to_have_count(0)
