"""`play`: a recording, in this terminal."""

from pathlib import Path
from typing import Annotated

import typer

from porthole.failures import Exit, Failure


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(play)


def play(
    recording: Annotated[
        str, typer.Argument(help="A session's id, or its end, or an asciicast file.", metavar="ID|FILE")
    ],
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Times as fast.")] = 1.0,
    idle: Annotated[float, typer.Option(min=0, help="The longest pause, in seconds; 0: all of it.")] = 2.0,
    start: Annotated[float, typer.Option(min=0, help="Begin at this second; what came before appears at once.")] = 0.0,
) -> None:
    """Replay a recording: space pauses, q leaves."""
    from porthole.player import Player

    player = Player(speed=speed, longest_pause=idle or None, start=start)
    file = Path(recording)
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            player.play(lines)
        return
    from porthole import naming
    from porthole.portal import signed_in

    portal = signed_in()
    known = portal.get(f"sessions/{naming.recording(portal, _uid(recording))}/recording/")
    with portal.download(f"sessions/{known['session']}/recording.cast", play="1") as answer:
        player.play(answer.iter_lines())


def _uid(text: str) -> str:
    """An id fit for an address."""
    if not text.replace("-", "").isalnum():
        raise Failure(f"There is no file {text!r}, and it is no session's id. See: porthole recordings", Exit.NOT_FOUND)
    return text
