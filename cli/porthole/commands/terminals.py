"""`shell` and `attach`: a session in this terminal."""

import os
import sys
from typing import Annotated, Any

import typer

from porthole.commands.completion import complete_service, complete_session
from porthole.failures import Exit, Failure


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(shell)
    app.command()(attach)


def shell(
    service: Annotated[
        str, typer.Argument(help="stack/service, a service's name or its number.", autocompletion=complete_service)
    ],
    command: Annotated[list[str] | None, typer.Argument(help="A program instead of a shell, after --.")] = None,
    pod: Annotated[str, typer.Option(help="The pod; without one, the first that is ready.")] = "",
    container: Annotated[str, typer.Option(help="The container.")] = "",
    title: Annotated[str, typer.Option(help="What lists call the session.")] = "",
) -> None:
    """Open a shell in a service's container, or run a program in its terminal.

    The exit code is the program's. A lost connection comes back by itself.
    """
    _need_terminal("porthole shell")
    from porthole import naming
    from porthole.portal import signed_in

    portal = signed_in()
    cols, rows = os.get_terminal_size()
    wanted: dict[str, Any] = {
        "service": naming.service(portal, service)["id"], "command": command or [], "title": title,
        "pod_name": pod, "container_name": container, "cols": max(cols, 1), "rows": max(rows, 1),
    }  # fmt: skip
    opened = portal.post("sessions/", wanted)
    _stay(portal, opened["uid"], opened["ticket"], offset=0)


def attach(
    session: Annotated[
        str | None, typer.Argument(help="The session's id, or its end.", autocompletion=complete_session)
    ] = None,
) -> None:
    """Return to a session of yours that runs; choose from a list when there are several."""
    _need_terminal("porthole attach")
    from porthole import naming
    from porthole.portal import signed_in

    portal = signed_in()
    uid = naming.session(portal, session) if session else _choose(portal)
    _stay(portal, uid, portal.ticket(uid), offset=None)


def _need_terminal(name: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure(f"{name} needs a terminal for its input and output. Start it in one.", Exit.USAGE)


def _stay(portal: Any, uid: str, ticket: str, *, offset: int | None) -> None:
    from porthole.endings import exit_code_of
    from porthole.window import stay

    outcome = stay(portal, uid, ticket, offset=offset)
    raise typer.Exit(exit_code_of(outcome, uid))


def _choose(portal: Any) -> str:
    """The one session that can be attached, or the one that the person chooses."""
    from porthole import printing

    user = portal.get("auth/me/")["username"]
    found = portal.every("sessions/", state="active,detached", user=user)
    if not found:
        raise Failure("You have no session to attach to. Open one: porthole shell SERVICE", Exit.NOT_FOUND)
    if len(found) == 1:
        return str(found[0]["uid"])
    rows = [
        [str(number), session["uid"], session["service_name"], session["state"], printing.when(session["created_at"])]
        for number, session in enumerate(found, 1)
    ]
    printing.table(("", "id", "service", "state", "created"), rows, empty="")
    while True:
        answer = input(f"Attach which, 1 to {len(found)}? ").strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(found):
            return str(found[int(answer) - 1]["uid"])
