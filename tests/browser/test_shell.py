"""The main job: from sign-in to a prompt, type, see, resize, leave, come back, end."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import AddService, OpenWindow
from tests.integration.client import Api
from tests.integration.places import DockerEngine
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_two_clicks_lead_from_sign_in_to_a_prompt(open_window: OpenWindow) -> None:
    window = await open_window("nobody")
    await window.sign_in("developer")  # the first click
    await window.page.get_by_role("link", name="Shell in Shell").first.click()
    await window.live()
    assert re.search(r"/terminal/ws-[0-9a-z]{26}/$", window.page.url)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("docker", "debian", marks=pytest.mark.docker),
        pytest.param("docker", "busybox", marks=pytest.mark.docker),
        pytest.param("kubernetes", "pod", marks=pytest.mark.kubernetes),
        pytest.param("local", "", id="local"),
    ],
)
async def test_what_is_typed_runs_in_the_container(
    open_window: OpenWindow, add_service: AddService, request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    selector = request.getfixturevalue(name) if name else "local"
    window = await open_window()
    await window.open(await add_service(kind, selector))
    await window.run("echo sum=$((40 + 2)) id=$PORTHOLE_SESSION_ID")
    await window.sees(f"sum=42 id={window.uid}")


async def test_the_terminal_follows_the_windows_size(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    before = await window.size()
    await window.page.set_viewport_size({"width": 900, "height": 500})

    async def other() -> tuple[int, int] | None:
        size = await window.size()
        return size if size != before else None

    cols, rows = await until(other, "the terminal has another size")
    await window.run(f'until [ "$(stty size)" = "{rows} {cols}" ]; do sleep 0.1; done; echo it""fits')
    await window.shows("itfits")


@pytest.mark.docker
async def test_the_shell_starts_at_the_windows_size_from_the_first_byte(
    open_window: OpenWindow, add_service: AddService, debian: str
) -> None:
    window = await open_window()
    await window.open(await add_service("docker", debian, default_command=["sh", "-c", "stty size; exec sh"]))
    cols, rows = await window.size()
    await window.shows(f"{rows} {cols}")


async def test_exit_says_why_it_ended_and_what_to_do(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("echo last words; exit 3")
    told = await window.told("The shell exited")
    assert "Exit code 3" in told
    await window.sees("last words")  # still there to read
    await expect(window.page.get_by_role("link", name="Back to the stack")).to_be_visible()
    await window.page.get_by_role("link", name="See the recording").click()
    await expect(window.page.get_by_text("Exit code 3.")).to_be_visible()
    await expect(window.page.locator(".ap-player, .ap-wrapper").first).to_be_visible(timeout=15_000)


async def test_open_again_opens_another_session(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    before = window.uid
    await window.run("exit")
    await window.told("The shell exited")
    await window.page.get_by_role("button", name="Open again").click()
    await window.live()
    assert window.uid != before


async def test_a_reload_attaches_the_same_session_again(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("mark=still-here")
    address = window.page.url
    await window.page.reload()
    await window.live()
    assert window.page.url == address
    await window.run("echo $mark:back")
    await window.shows("still-here:back")


async def test_a_detached_session_is_attached_from_home(open_window: OpenWindow, local: int, developer: Api) -> None:
    window = await open_window()
    await window.open(local)
    uid = window.uid
    await window.run("mark=kept")
    await window.page.get_by_role("button", name="Detach").click()
    question = window.page.get_by_role("dialog")
    await expect(question.get_by_label("For")).to_have_value("3600")
    await question.get_by_label("For").select_option("4 hours")
    await question.get_by_role("button", name="Detach").click()
    assert "runs on for 4 hours" in await window.told("Detached")
    assert (await developer.session(uid))["state"] == "detached"
    await window.go("/")
    await window.page.locator(f'a[href="/terminal/{uid}/"]').click()
    await window.live()
    await window.run("echo $mark:it")
    await window.shows("kept:it")


async def test_end_asks_while_a_command_may_run(open_window: OpenWindow, local: int, developer: Api) -> None:
    window = await open_window()
    await window.open(local)
    uid = window.uid
    await window.run("echo star''ted; sleep 1000")
    await window.shows("started")
    await window.page.get_by_role("button", name="End", exact=True).click()
    await window.page.get_by_role("button", name="End it").click()
    await window.told("Session ended")
    ended = await developer.ended(uid)
    assert ended["end_reason"] == "closed_by_user"
    assert any("sleep 1000" in process["command"] for process in ended["cleanup"]["processes"])


async def test_the_page_warns_before_a_running_command_is_left(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("echo star''ted; sleep 1000")
    await window.shows("started")
    warned: list[str] = []

    async def stay(dialog: object) -> None:
        warned.append(dialog.type)  # type: ignore[attr-defined]
        await dialog.dismiss()  # type: ignore[attr-defined]

    window.page.on("dialog", stay)
    await window.page.close(run_before_unload=True)
    await until(lambda: warned, "the browser asks before it leaves")
    assert warned == ["beforeunload"]


@pytest.mark.docker
async def test_nothing_of_a_session_is_left_in_the_container(
    open_window: OpenWindow, add_service: AddService, docker_engine: DockerEngine, developer: Api
) -> None:
    place = docker_engine.start()
    window = await open_window()
    await window.open(await add_service("docker", place.name))
    uid = window.uid
    await window.run("sleep 3000 & sleep 2000 & exit")
    await window.told("The shell exited")
    await developer.ended(uid)
    assert place.running == []


async def test_find_goes_through_the_scrollback(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("for i in $(seq 200); do echo needle-$i; done")
    await window.shows("needle-200")
    await window.page.keyboard.press("Control+Shift+F")
    await window.page.get_by_role("searchbox", name="Find").fill("needle-7")
    await expect(window.page.locator(".term-found")).to_have_text(re.compile(r"^\d+ of 11$"))
    await window.page.keyboard.press("Escape")
    await window.run("echo focus is back")
    await window.shows("focus is back")


async def test_the_scrollback_is_what_the_person_chose(open_window: OpenWindow, local: int) -> None:
    window = await open_window("owner")
    await window.go("/settings/")
    await window.page.get_by_label("Scrollback").fill("10")
    await window.page.get_by_role("button", name="Save").click()
    await window.open(local)
    await window.run("for i in $(seq 200); do echo needle-$i-; done")
    await window.shows("needle-200-")
    await window.page.keyboard.press("Control+Shift+F")
    await window.page.get_by_role("searchbox", name="Find").fill("needle-1-")
    await expect(window.page.locator(".term-found")).to_have_text("none")
