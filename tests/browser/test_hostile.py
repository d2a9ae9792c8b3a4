"""What a hostile program or a hostile name may try on the person who looks at it."""

import base64

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.integration.client import Api
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}"

PASTE = """([text]) => {
    const transfer = new DataTransfer();
    transfer.setData("text/plain", text);
    document.querySelector(".xterm-helper-textarea").dispatchEvent(
        new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}"""


async def _opened(open_window: OpenWindow, service: int) -> Window:
    window = await open_window()
    await window.open(service)
    return window


async def test_output_does_not_reach_the_clipboard(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    await window.page.evaluate("() => navigator.clipboard.writeText('mine')")
    stolen = base64.b64encode(b"stolen").decode()
    await window.run(f"printf '\\033]52;c;{stolen}\\007\\033]52;c;?\\007'; echo do''ne")
    await window.shows("done")
    assert await window.page.evaluate("() => navigator.clipboard.readText()") == "mine"
    assert b"\x1b]52" not in window.sent


async def test_a_link_with_another_scheme_opens_nothing(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    await window.run("clear; printf '\\033]8;;javascript:alert(1)\\007click-me-now\\033]8;;\\007\\n'; echo do''ne")
    await window.shows("done\r\n")
    await _click_first_cell(window.page)
    await expect(window.page.locator("dialog.dialog")).to_have_count(0)
    assert len(window.page.context.pages) == 1


async def test_a_link_that_hides_its_target_asks_with_the_target(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    address = "http://elsewhere.example/path"
    await window.run(f"clear; printf '\\033]8;;{address}\\007click-me-now\\033]8;;\\007\\n'; echo do''ne")
    await window.shows("done\r\n")
    await _click_first_cell(window.page)
    await expect(window.page.locator("dialog.dialog")).to_contain_text(address)
    await window.page.get_by_role("button", name="Cancel").click()


async def _click_first_cell(page: Page) -> None:
    box = await page.locator(".xterm-screen").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 200, box["y"] + 60)
    await page.mouse.move(box["x"] + 30, box["y"] + 8, steps=4)
    await page.wait_for_timeout(300)  # a link is made when the pointer has rested on it
    await page.mouse.click(box["x"] + 30, box["y"] + 8)


async def test_a_huge_title_is_cut(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    await window.run("printf '\\033]0;%0200000d\\007' 7; echo do''ne")
    await window.shows("done\r\n")
    assert 0 < len(await window.page.title()) < 300


async def test_a_paste_cannot_end_its_own_brackets(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    await window.run("printf '\\033[?2004h'; cat -v")
    await window.shows("cat -v\r\n")
    before = len(window.sent)
    await window.page.evaluate(PASTE, ["one\x1b[201~two\x9b201~three"])
    await until(lambda: b"three" in window.sent[before:], "the paste is sent")
    pasted = bytes(window.sent[before:])
    assert pasted.startswith(b"\x1b[200~one")
    assert pasted.count(b"\x1b[201~") == 1
    assert pasted.endswith(b"\x1b[201~")


async def test_a_replay_types_no_answers_into_the_shell(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    await window.run("printf '\\033[c\\033[6n\\033]11;?\\007'; sleep 1; read -t 1 -N 200 junk; echo do''ne")
    await window.shows("done\r\n")
    assert b"\x1b[?" in window.sent  # live, a program that asks gets its answer
    window.sent.clear()
    await window.page.reload()
    await window.live()
    await window.shows("done\r\n")
    assert bytes(window.sent) == b""
    await window.run("echo and typed input go''es on")
    await window.shows("and typed input goes on")


async def test_output_cannot_keep_the_page_busy_for_ever(open_window: OpenWindow, local: int) -> None:
    window = await _opened(open_window, local)
    absurd = "".join(f"\\033[2147483647{final}" for final in "ILMSTZb")
    await window.run(f"printf '{absurd}'; echo do''ne")
    await window.shows("done")


async def test_markup_in_a_title_is_inert_wherever_it_is_shown(
    open_window: OpenWindow, local: int, developer: Api
) -> None:
    window = await open_window()
    alarms: list[str] = []
    window.page.on("dialog", lambda dialog: alarms.append(dialog.message))
    session = await developer.open(local, title=MARKUP)
    for path in ("/", "/sessions/", f"/sessions/{session['uid']}/", f"/terminal/{session['uid']}/"):
        await window.go(path)
        if "terminal" not in path:
            await expect(window.page.get_by_text(MARKUP).first).to_be_visible()
    await window.live()
    await window.run(f"printf '\\033]0;{MARKUP}\\007'; echo do''ne")
    await window.shows("done\r\n")
    assert "<img" in await window.page.title()
    await window.run("exit")
    await window.told("The shell exited")
    await developer.ended(session["uid"])
    await window.go(f"/sessions/{session['uid']}/")
    await expect(window.page.locator(".ap-wrapper").first).to_be_visible()
    assert alarms == []
    assert await window.page.locator("main img").count() == 0


async def test_colours_work_without_webgl_under_the_strict_policy(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.page.add_init_script(
        "HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext, {"
        " apply: (get, canvas, [kind, ...rest]) => kind === 'webgl2' ? null : get.call(canvas, kind, ...rest) })"
    )
    await window.open(local)
    await window.run("clear; printf '\\033[38;2;17;130;71mtrue''colour \\033[31mpal''ette\\033[0m\\n'")
    rows = window.page.locator(".xterm-rows")
    await expect(rows.get_by_text("truecolour").last).to_have_css("color", "rgb(17, 130, 71)")
    await expect(rows.get_by_text("palette").last).to_have_css("color", "rgb(180, 35, 24)")
