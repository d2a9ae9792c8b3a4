"""A second window on real programs: its screen is that of a viewer who never left."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.client import Api, Terminal
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Place
from tests.integration.polling import until
from tests.sessions_app.screens import difference, shown

SIZE = (90, 28)

NOTES = "for i in $(seq 300); do echo \"$i äöü 漢字 $(printf '%070d' $i)\"; done >/tmp/notes"

PROGRAMS = {
    "vim": ("vi -u NONE -N -c 'silent! set ruler title mouse=a' /tmp/notes", "27 äöü", "90Gihello", "hello"),
    "less": ("less /tmp/notes", "27 äöü", "50G", "76 äöü"),
    "top": ("top -d 1", "COMMAND", "c", "COMMAND"),
    "a half-typed line": ("echo the output ab''ove", "above", "echo half a li", "half a li"),
}
"""What is started, what shows that it is there, what is typed then, and what that shows."""


@pytest.fixture
async def api(embedded: Installation, sign_in: SignIn) -> Api:
    return await sign_in(embedded)


@pytest.fixture
async def terminal(api: Api, embedded: Installation, container: Place) -> AsyncIterator[Terminal]:
    """A bash in a Docker container, with something to look at."""
    service = await add_service_to(embedded, "docker")
    cols, rows = SIZE
    terminal = await Terminal.opened(api, service, cols=cols, rows=rows, command=["bash"], **container.target)
    await terminal.run(NOTES)
    yield terminal
    await terminal.leave()
    await api.terminate(terminal.uid)


@pytest.mark.docker
@pytest.mark.parametrize("program", PROGRAMS)
async def test_another_window_equals_one_that_never_left(
    api: Api, embedded: Installation, sign_in: SignIn, terminal: Terminal, program: str
) -> None:
    command, ready, keys, sign = PROGRAMS[program]
    owner = await sign_in(embedded, user="owner")
    stayed = Terminal(owner, terminal.uid)
    await stayed.connect(cols=SIZE[0], rows=SIZE[1], mode="watch")
    begun = len(terminal.received)
    await terminal.type(f"{command}\r")
    await terminal.shown(ready, since=begun, within=20)
    await terminal.type(keys)
    await terminal.shown(sign, since=begun, within=20)
    await terminal.leave()
    before = len(terminal.received)

    came = Terminal(api, terminal.uid)
    attached = await came.connect(cols=SIZE[0], rows=SIZE[1], offset=None, screen=True)
    assert attached["screens"] > 0
    end = attached["offset"]

    def level() -> bool:
        """Both have taken the same output, the redraw among it."""
        return end + len(came.received) == len(stayed.received) > before

    if program != "a half-typed line":
        await until(lambda: len(came.received) > 100, "the program paints itself again", within=20)
    await until(level, "both windows are level", within=20)
    # Programs that go on printing may have printed between the two looks.
    upto = min(end + len(came.received), len(stayed.received))
    output = bytes(stayed.received[:upto])
    steps = [SIZE, came.screen, bytes(came.received[: upto - end])]
    assert difference([SIZE, output], steps) is None
    assert "".join(shown(*steps)).strip()
    await stayed.leave()
    await came.leave()
