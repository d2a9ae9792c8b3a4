"""Another window shows the screen as it is, and the program there knows its size."""

from pathlib import Path

import pytest

from tests.browser.conftest import OpenWindow

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FULL_SCREEN = r"""
printf '\033[?1049h\033[H\033[2J\033[5;5Hdrawn long ago\033]2;an editor\007'
for i in $(seq 14000); do printf '\033[10;3Hcount %s ' $i; done
trap 'printf "\033[12;3Hsize %s " "$(stty size)"' WINCH
while :; do sleep 0.1; done
"""
"""A program whose screen is far older than any replay, and which says whenever its size changes."""


async def test_another_window_shows_the_screen_as_it_is(open_window: OpenWindow, local: int, tmp_path: Path) -> None:
    first = await open_window()
    await first.open(local)
    program = tmp_path / "program"
    program.write_text(FULL_SCREEN)
    await first.run(f"sh {program}")
    await first.shows("count 14000", within=60)

    second = await open_window(size={"width": 900, "height": 600})
    await second.go(f"/terminal/{first.uid}/")
    await first.told("another window")
    await second.sees("drawn long ago")
    await second.sees("count 14000")
    cols, rows = await second.size()
    await second.sees(f"size {rows} {cols}")
    assert (await second.screen()).splitlines()[4].startswith("    drawn long ago")


async def test_a_reload_keeps_what_was_half_typed(open_window: OpenWindow, local: int) -> None:
    window = await open_window()
    await window.open(local)
    await window.run("echo the line ab''ove")
    await window.shows("line above")
    await window.type("echo half a li")
    await window.shows("half a li")
    await window.page.reload()
    await window.live()
    await window.sees("half a li")
    await window.sees("line above")
    await window.run("ne")
    await window.shows("half a line\r\n")
