"""Every page: accessible, inside a strict policy, usable at both widths; and what each of them does."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, PHONE, OpenWindow
from tests.browser.window import Window
from tests.integration.client import Api
from tests.integration.installation import ROOT, Installation
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
SIZES = [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone")]


async def _serious(window: Window) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    # By the debugger's protocol: the page's own policy would rightly refuse a script that somebody adds.
    await window.page.evaluate(AXE)
    found: list[dict[str, Any]] = await window.page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{finding['id']}: {node['html'][:200]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


async def _addresses(developer: Api, portal: Installation, local: int) -> dict[str, str]:
    session = await developer.open(local, title="looked at")
    stack = portal.stacks["local"]
    return {
        "home": "/",
        "stacks": "/stacks/",
        "stack": f"/stacks/{stack}/",
        "sessions": "/sessions/",
        "recordings": "/recordings/",
        "search": "/search/?q=bash",
        "session": f"/sessions/{session['uid']}/",
        "settings": "/settings/",
        "password": "/accounts/password/change/",
        "missing": "/no/such/page/",
        "shell": f"/stacks/{stack}/shell/",
        "terminal": f"/terminal/{session['uid']}/",
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_serious_finding_or_scrolls_sideways(
    open_window: OpenWindow, developer: Api, portal: Installation, local: int, size: dict[str, int], scheme: str
) -> None:
    window = await open_window(size=size, color_scheme=scheme)
    findings = []
    for name, address in (await _addresses(developer, portal, local)).items():
        await window.go(address)
        if name in ("shell", "terminal"):
            await expect(window.page.locator("[data-state=active]").first).to_be_visible(timeout=20_000)
        findings += [f"{name}: {finding}" for finding in await _serious(window)]
        wide = await window.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
        findings += [f"{name} scrolls sideways"] if wide else []
    assert findings == []


async def test_the_sign_in_page_has_no_serious_finding(open_window: OpenWindow) -> None:
    window = await open_window("nobody")
    await window.go("/accounts/login/")
    assert await _serious(window) == []


async def test_every_page_states_a_strict_policy(open_window: OpenWindow) -> None:
    window = await open_window()
    answer = await window.page.goto(window.url + "/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert re.search(r"script-src 'self' 'nonce-[^']+'", policy)
    assert re.search(r"style-src 'self' 'nonce-[^']+'", policy)


async def test_a_phone_has_the_keys_it_lacks(open_window: OpenWindow, local: int) -> None:
    window = await open_window(size=PHONE, has_touch=True)
    await window.open(local)
    bar = window.page.get_by_role("toolbar", name="Keys that a phone lacks")
    await expect(bar).to_be_visible()
    await window.run("sleep 1000")
    await bar.get_by_role("button", name="Ctrl").click()
    await window.type("c")
    await window.shows("^C")
    await window.type("echo a")
    await bar.get_by_role("button", name="|", exact=True).click()
    await window.type("cat -A")
    await bar.get_by_role("button", name="Left").click()
    await window.page.keyboard.press("Enter")
    await window.shows("a$\r\n")


async def test_the_table_updates_by_itself_and_ends_a_session(
    open_window: OpenWindow, local: int, developer: Api
) -> None:
    table = await open_window()
    await table.go("/sessions/")
    window = await open_window()
    await window.open(local)
    row = table.page.locator(f"#row-{window.uid}")
    await expect(row).to_contain_text("active", timeout=6000)
    await row.get_by_role("button", name="End").click()
    await table.page.get_by_role("button", name="End it").click()
    await expect(row).to_contain_text("stopped", timeout=10_000)
    await expect(row.get_by_role("button", name="End")).to_have_count(0)
    await window.told("Session ended")
    assert (await developer.ended(window.uid))["end_reason"] == "closed_by_user"


async def test_home_follows_the_live_sessions_by_itself(open_window: OpenWindow, local: int, developer: Api) -> None:
    home = await open_window()
    await home.go("/")
    uid = (await developer.open(local, title="seen from home"))["uid"]
    row = home.page.locator(f"#live-{uid}")
    await expect(row).to_be_visible(timeout=8000)
    await developer.call("POST", f"sessions/{uid}/terminate/")
    await expect(row).to_have_count(0, timeout=8000)


async def test_a_failed_sign_in_is_said_clear_of_the_fields(open_window: OpenWindow) -> None:
    window = await open_window("nobody")
    await window.go("/accounts/login/")
    await window.page.get_by_label("User name").fill("nobody")
    await window.page.get_by_label("Password").fill("wrong")
    await window.page.get_by_role("button", name="Sign in").click()
    error = await window.page.get_by_text("The user name or the password is not correct.").bounding_box()
    label = await window.page.get_by_text("User name", exact=True).bounding_box()
    assert error
    assert label
    assert label["y"] - (error["y"] + error["height"]) >= 8


async def test_the_tables_filter_is_in_the_address(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.go("/sessions/")
    await window.page.get_by_label("Status").select_option("failed")
    await expect(window.page).to_have_url(re.compile(r"/sessions/\?state=failed$"))
    await window.page.reload()
    await expect(window.page.get_by_label("Status")).to_have_value("failed")


async def test_the_table_is_sorted_by_its_headings_and_on_a_phone_by_a_choice(
    open_window: OpenWindow, local: int, developer: Api
) -> None:
    uids = [(await developer.open(local))["uid"] for _ in range(2)]
    service = (await developer.session(uids[0]))["service_name"]
    rows = [f"row-{uid}" for uid in uids]
    desk, phone = await open_window(), await open_window(size=PHONE)
    for window in (desk, phone):
        await window.go(f"/sessions/?service={service}")
    await desk.page.get_by_role("link", name="Started").click()
    await phone.page.get_by_label("Sort").select_option("oldest first")
    for window in (desk, phone):
        await expect(window.page).to_have_url(re.compile(rf"\?service={service}&sort=created$"))
        shown = await window.page.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.id)")
        assert shown == rows


async def test_the_palette_opens_a_shell_by_its_services_name(
    open_window: OpenWindow, owner: Api, portal: Installation
) -> None:
    await owner.add_service(portal.stacks["local"], "zebra-crossing", selector="local")
    window = await open_window()
    await window.go("/sessions/")
    await window.page.keyboard.press("Control+k")
    await window.type("zebra")
    await window.page.keyboard.press("Enter")
    await window.live()
    await expect(window.page.locator("[data-service]")).to_have_text("zebra-crossing")


async def test_enter_opens_what_the_palette_highlights(
    open_window: OpenWindow, owner: Api, portal: Installation
) -> None:
    for name in ("yak-first", "yak-second"):
        await owner.add_service(portal.stacks["local"], name, selector="local")
    window = await open_window()
    await window.go("/sessions/")
    await window.page.keyboard.press("Control+k")
    await window.type("yak")
    await window.page.keyboard.press("ArrowDown")
    await expect(window.page.locator("#palette-options [aria-selected=true]")).to_contain_text("yak-second")
    await window.page.keyboard.press("Enter")
    await window.live()
    await expect(window.page.locator("[data-service]")).to_have_text("yak-second")


async def _hidden_height(window: Window) -> float:
    """By how much the terminal's rows reach below what is shown of them."""
    bottom = "(selector) => document.querySelector(selector).getBoundingClientRect().bottom"
    rows = await window.page.evaluate(bottom, ".xterm-screen")
    stage = await window.page.evaluate(bottom, ".term-stage")
    return float(rows - stage)


@pytest.mark.parametrize("size", SIZES)
async def test_the_last_row_is_never_hidden(open_window: OpenWindow, local: int, size: dict[str, int]) -> None:
    window = await open_window(size=size)
    await window.open(local)
    _, before = await window.size()
    assert await _hidden_height(window) <= 0
    await window.page.evaluate("() => { document.querySelector('[data-notice]').hidden = false }")

    async def fewer() -> bool:
        return (await window.size())[1] < before

    await until(fewer, "fewer rows below a notice")
    assert await _hidden_height(window) <= 0


async def test_the_shell_tab_connects_by_itself_and_changes_the_service(
    open_window: OpenWindow, portal: Installation, local: int
) -> None:
    window = await open_window()
    await window.go(f"/stacks/{portal.stacks['local']}/shell/")
    await window.live()
    first = re.search(r"session=(ws-\w+)", window.page.url)
    await window.page.locator("select[name=service]").select_option(str(local))
    await window.page.get_by_role("button", name="Let it run").click()
    await expect(window.page).to_have_url(re.compile(rf"service={local}"))
    await window.live()
    second = re.search(r"session=(ws-\w+)", window.page.url)
    assert first
    assert second
    assert first[1] != second[1]
    await window.page.reload()
    await window.live()
    assert second[1] in window.page.url


async def test_an_api_token_is_shown_once_and_revoked(open_window: OpenWindow, portal: Installation) -> None:
    window = await open_window()
    await window.go("/settings/")
    await window.page.get_by_label("Name", exact=True).fill("a script")
    await window.page.get_by_role("button", name="Create token").click()
    secret = await window.page.locator(".secret code").inner_text()
    api = Api(portal.processes[0].url, secret)
    assert (await api.get("sessions/"))["results"] is not None
    await window.go("/settings/")
    assert secret not in await window.page.content()
    await window.page.get_by_role("button", name="Revoke a script").click()
    await window.page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(window.page.get_by_text("is revoked")).to_be_visible()
    await api.call("GET", "sessions/", expect=401)
    await api.close()


async def test_a_click_copies_a_sessions_id(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.page.get_by_role("button", name="Copy id").click()
    assert await window.page.evaluate("() => navigator.clipboard.readText()") == window.uid


async def test_the_theme_is_remembered(open_window: OpenWindow) -> None:
    window = await open_window(color_scheme="light")
    await window.go("/")
    await window.page.get_by_role("button", name="Switch between light and dark").click()
    await expect(window.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    await window.page.reload()
    await expect(window.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
