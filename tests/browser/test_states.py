"""Never a blank terminal: each way a shell may not come says why, and what to do next."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NOSHELL, AddService, OpenWindow
from tests.browser.proxy import Network
from tests.integration.client import Api
from tests.integration.installation import PASSWORD, Installation, free_port
from tests.integration.places import DockerEngine
from tests.integration.polling import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_reached_limit_says_who_holds_the_places(
    open_window: OpenWindow, add_service: AddService, owner: Api
) -> None:
    service = await add_service("local", "local", session_limit=1)
    holder = await open_window("owner")
    await holder.open(service)
    window = await open_window()
    await window.go(f"/services/{service}/shell/")
    assert "by owner" in await window.told("All places are taken")
    await expect(window.page.get_by_role("link", name="See who is in")).to_be_visible()
    await holder.run("exit")
    await holder.told("The shell exited")
    await owner.ended(holder.uid)
    await window.page.get_by_role("button", name="Try again").click()
    await window.live()


@pytest.fixture(scope="module")
def noshell(docker_engine: DockerEngine) -> str:
    """The name of a running container whose image has no shell."""
    name = f"{docker_engine.prefix}-noshell"
    docker_engine.client.containers.run(NOSHELL, name=name, detach=True, network_mode="none")
    return name


@pytest.mark.docker
async def test_an_image_without_a_shell_is_named_as_such_and_a_console_offered(
    open_window: OpenWindow, add_service: AddService, noshell: str
) -> None:
    service = await add_service("docker", noshell)
    window = await open_window()
    await window.go(f"/services/{service}/shell/")
    assert "A console of another tag" in await window.told("This image has no shell")
    await expect(window.page.locator("[data-rec]")).to_be_hidden()
    await expect(window.page.locator("[data-keys]")).to_be_hidden()
    await expect(window.page.get_by_role("link", name="Back to the stack")).to_be_visible()
    await window.page.get_by_role("link", name="Choose a tag").click()
    await expect(window.page.get_by_role("heading", name="Console of")).to_be_visible()
    await expect(window.page.get_by_label("Tag")).to_have_attribute("required", "")


@pytest.mark.docker
async def test_where_no_console_could_have_a_shell_it_is_said_who_can_change_that(
    open_window: OpenWindow, add_service: AddService, noshell: str
) -> None:
    window = await open_window()
    await window.go(f"/services/{await add_service('docker', noshell, console_allow_tag=False)}/shell/")
    assert "Whoever manages the service can name an image" in await window.told("This image has no shell")
    await expect(window.page.locator("[data-overlay] .btn")).to_have_text(["Back to the stack"])


@pytest.mark.docker
async def test_where_a_service_names_an_image_one_click_opens_a_console_instead(
    open_window: OpenWindow, add_service: AddService, noshell: str, docker_engine: DockerEngine, owner: Api
) -> None:
    window = await open_window()
    await window.go(f"/services/{await add_service('docker', noshell, console_image='testbed/busybox:1')}/shell/")
    await window.told("This image has no shell")
    await window.page.get_by_role("button", name="Open a console").click()
    await window.live()
    await window.run("busybox | head -n 1")
    await window.shows("BusyBox v")
    await window.run("exit")
    await window.told("The shell exited")
    await owner.ended(window.uid)
    assert not docker_engine.client.containers.list(all=True, filters={"name": f"porthole-{window.uid}"})


@pytest.mark.docker
async def test_a_console_is_opened_from_the_services_tab_with_its_ceilings_shown(
    open_window: OpenWindow, add_service: AddService, docker_engine: DockerEngine, owner: Api
) -> None:
    place = docker_engine.start()
    service = await add_service("docker", place.name, console_memory_max=1)
    stack = (await owner.get(f"services/{service}/"))["stack"]
    window = await open_window()
    await window.go(f"/stacks/{stack}/")
    await window.page.locator(f'a[href="/services/{service}/console/"]').click()
    await expect(window.page.get_by_label("Memory (GB)")).to_have_value("0.5")
    await expect(window.page.get_by_text("At most 1 GB.")).to_be_visible()
    await expect(window.page.get_by_label("Image")).to_have_count(0)
    await window.page.get_by_label("Command").fill("sh -c 'echo $0; exec cat' greetings")
    await window.page.get_by_label("Memory (GB)").fill("0.2")
    await window.page.get_by_role("button", name="Open console").click()
    await window.shows("greetings")
    session = await owner.session(window.uid)
    assert (session["kind"], session["console"]["memory"]) == ("console", 0.2)
    await owner.terminate(window.uid)
    await window.told("Ended by somebody else")


@pytest.mark.docker
async def test_a_service_without_a_running_container_says_so(open_window: OpenWindow, add_service: AddService) -> None:
    window = await open_window()
    await window.go(f"/services/{await add_service('docker', 'no-such-container-*')}/shell/")
    await window.told("No container is running")


@pytest.mark.docker
async def test_a_container_that_dies_is_told(
    open_window: OpenWindow, add_service: AddService, docker_engine: DockerEngine
) -> None:
    place = docker_engine.start()
    window = await open_window()
    await window.open(await add_service("docker", place.name))
    await asyncio.to_thread(docker_engine.get(place).kill)
    await window.told("The container is gone")


async def test_a_provider_that_does_not_answer_is_a_sentence_within_ten_seconds(
    open_window: OpenWindow, owner: Api
) -> None:
    organization = (await owner.get("organizations/"))["results"][0]["id"]
    slug = f"gone-{free_port()}"
    provider = {"organization": organization, "slug": slug, "name": slug, "kind": "docker"}
    provider["options"] = {"host": f"tcp://127.0.0.1:{free_port()}"}
    made = (await owner.call("POST", "providers/", json=provider, expect=201)).json()
    stack = {"organization": organization, "provider": made["id"], "slug": slug, "name": slug}
    stack_id = (await owner.call("POST", "stacks/", json=stack, expect=201)).json()["id"]
    service = await owner.add_service(stack_id, f"{slug}-web", selector="web")
    window = await open_window("owner")
    await window.go(f"/stacks/{stack_id}/")
    await expect(window.page.get_by_text("The containers could not be listed")).to_be_visible(timeout=10_000)
    await window.go(f"/services/{service}/shell/")
    await window.told("The provider does not answer", within=10)


async def test_an_ended_session_is_not_a_blank_terminal(open_window: OpenWindow, local: int, developer: Api) -> None:
    window = await open_window()
    await window.open(local)
    uid = window.uid
    await window.run("exit")
    await window.told("The shell exited")
    await developer.ended(uid)
    await window.go(f"/terminal/{uid}/")
    await window.told("The shell exited")


async def test_the_old_screen_stays_while_another_session_cannot_be_opened(
    open_window: OpenWindow, network: Network, local: int
) -> None:
    window = await open_window(url=network.url)
    await window.open(local)
    await expect(window.page.locator("[data-rec]")).to_be_visible()
    uid = window.uid
    await window.run("echo kept-$((40 + 2)); exit")
    await window.told("The shell exited")
    await expect(window.page.locator("[data-rec]")).to_be_hidden()
    await network.cut()
    await window.page.get_by_role("button", name="Open again").click()
    told = await window.told("The portal does not answer")
    assert told.count("does not answer") == 1
    await expect(window.page.locator("[data-overlay]")).to_have_attribute("data-place", "foot")
    await window.page.get_by_role("button", name="Find", exact=True).click()
    await window.type("kept-42")
    await expect(window.page.locator(".term-found")).to_have_text(re.compile(r"^1\b"))
    record = window.page.get_by_role("link", name="See the recording")
    await expect(record).to_have_attribute("href", f"/sessions/{uid}/")
    await network.mend()
    await window.page.get_by_role("button", name="Try again").click()
    await window.live()
    assert window.uid != uid

    async def gone() -> bool:
        return "kept-42" not in await window.screen()

    await until(gone, "the new session's screen")


async def test_whoever_types_into_a_watched_terminal_is_told(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    watcher = await open_window("owner")
    await watcher.go(f"/terminal/{window.uid}/")
    await watcher.live()
    await watcher.type("ls")
    await expect(watcher.page.get_by_text("You are watching: read only.")).to_be_visible()
    await watcher.page.get_by_role("button", name="End").click()
    await watcher.page.get_by_role("button", name="End it").click()
    assert "owner ended it." in await window.told("Ended by somebody else")


async def test_somebody_elses_session_is_a_page_that_says_so(
    open_window: OpenWindow, portal: Installation, local: int
) -> None:
    window = await open_window()
    await window.open(local)
    stranger = await open_window("outsider")
    await stranger.go(f"/terminal/{window.uid}/")
    await expect(stranger.page.get_by_role("heading", name="There is nothing here")).to_be_visible()


async def test_signed_out_meanwhile_is_told_with_the_way_back(
    open_window: OpenWindow, network: Network, local: int
) -> None:
    window = await open_window(url=network.url)
    await window.open(local)
    await window.page.context.clear_cookies()
    await network.cut()
    await window.told("The connection is lost")
    await network.mend()
    await window.told("You are signed out")
    await window.page.get_by_role("link", name="Sign in").click()
    await window.page.get_by_label("User name").fill("developer")
    await window.page.get_by_label("Password").fill(PASSWORD)
    await window.page.get_by_role("button", name="Sign in").click()
    await window.live()


async def test_the_idle_warning_has_a_button_that_keeps_the_session(
    open_window: OpenWindow, add_service: AddService, developer: Api
) -> None:
    # The warning comes two minutes before the end, or half way where the time is shorter.
    window = await open_window()
    await window.open(await add_service("local", "local", idle_timeout=30))
    await expect(window.page.get_by_text("Nothing was typed for a while.")).to_be_visible(timeout=25_000)
    before = (await developer.session(window.uid))["last_activity_at"]
    await window.page.get_by_role("button", name="Stay").click()
    await expect(window.page.get_by_text("Nothing was typed for a while.")).to_be_hidden()

    async def noticed() -> bool:
        return bool((await developer.session(window.uid))["last_activity_at"] != before)

    await until(noticed, "the session counts it as activity")
