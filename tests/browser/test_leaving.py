"""What a closed tab means: what its person prefers; and a reload never ends anything."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.integration.client import Api, Json
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def _prefer(window: Window, *, auto_close: bool) -> None:
    await window.go("/settings/")
    await window.page.get_by_label("Auto-close terminal sessions").set_checked(auto_close)
    await window.page.get_by_role("button", name="Save").click()
    await expect(window.page.get_by_text("Saved.")).to_be_visible()


async def _detached(api: Api, uid: str) -> Json:
    async def found() -> Json | None:
        streams = await api.get("streams/")
        return next((row for row in streams if row["id"] == uid and row["status"] == "DETACHED"), None)

    return await until(found, "the session is detached", within=10)


async def test_ctrl_a_d_detaches(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.page.keyboard.press("Control+a")
    await window.page.keyboard.press("d")
    assert "runs on for an hour" in await window.told("Detached")


async def test_a_closed_tab_detaches_and_is_offered_at_home(
    open_window: OpenWindow, local: int, developer: Api
) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("true")
    uid = window.uid
    await window.page.close()
    assert (await _detached(developer, uid))["params"]["ttl"] > 3500
    home = await open_window()
    await home.go("/")
    await expect(home.page.locator(f"#live-{uid}").get_by_role("link", name="Attach")).to_be_visible()


async def test_a_page_that_is_left_is_back_with_its_session(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("mark=kept")
    await window.go("/sessions/")
    await window.page.go_back()
    await window.live()
    await window.run("echo $mark:it")
    await window.shows("kept:it")


async def test_who_wants_closed_tabs_to_end_reloads_in_peace(open_window: OpenWindow, local: int, owner: Api) -> None:
    window = await open_window("owner")
    await _prefer(window, auto_close=True)
    try:
        await window.open(local)
        uid = window.uid
        await window.page.reload()
        await window.live()
        await window.run("echo still-$((1+1))")
        await window.shows("still-2")
        assert (await owner.session(uid))["state"] == "active"
        await window.page.close()
        assert (await _detached(owner, uid))["params"]["ttl"] <= 30
        (event,) = [event for event in await owner.events(uid) if event["detail"].get("ttl")][-1:]
        assert event["detail"]["cause"] == "closed", "what comes of it is the reaper's, and tested there"
        await owner.terminate(uid)
    finally:
        await _prefer(await open_window("owner"), auto_close=False)
