"""`shell`, `run` and `attach`: a session in this terminal."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from porthole.ahead import read_ahead
from porthole.commands.completion import complete_parameter, complete_service, complete_session
from porthole.failures import Exit, Failure

PARAMETERS: dict[str, Callable[[str], Any]] = {
    "memory": float,
    "cpu": float,
    "max_hours": float,
    "docker_tag": str,
    "image": str,
    "user": str,
}
"""What a console can be asked for, and how it is read."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(shell)
    app.command()(run)
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
    read_ahead("porthole.window")
    wanted: dict[str, Any] = {
        "service": naming.service(portal, service)["id"], "command": command or [], "title": title,
        "pod_name": pod, "container_name": container, **_size(),
    }  # fmt: skip
    opened = portal.post("sessions/", wanted)
    _stay(portal, opened["uid"], opened["ticket"], offset=0)


def run(
    command: Annotated[str, typer.Argument(help="What to run, in one word or quoted: 'rake db:migrate'.")] = "",
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help="memory (GB), cpu, max_hours, docker_tag, image, user.",
            autocompletion=complete_parameter,
        ),
    ] = None,
    app: Annotated[
        str,
        typer.Option("--app", "-a", help="The service; not needed with one alone.", autocompletion=complete_service),
    ] = "",
    pod: Annotated[str, typer.Option(help="The pod to make it like.")] = "",
    container: Annotated[str, typer.Option(help="The container to make it like.")] = "",
    title: Annotated[str, typer.Option(help="What lists call the session.")] = "",
) -> None:
    """Run a command in a fresh container with a service's environment, which is gone afterwards.

    Without a command it is the best shell there is. The exit code is the command's.
    """
    given = [command, *(parameters or [])] if command else list(parameters or [])
    words = [word for word in given[:1] if word.partition("=")[0] not in PARAMETERS]
    wanted = _parameters(given[len(words) :])
    _need_terminal("porthole run")
    from porthole import naming
    from porthole.portal import signed_in

    portal = signed_in()
    read_ahead("porthole.window")
    service = naming.service(portal, app) if app else naming.only_service(portal, "console")
    wanted |= {"service": service["id"], "kind": "console", "title": title, "command": words[0] if words else []}
    opened = portal.post("sessions/", {**wanted, "pod_name": pod, "container_name": container, **_size()})
    _stay(portal, opened["uid"], opened["ticket"], offset=0)


def _parameters(words: list[str]) -> dict[str, Any]:
    """`memory=2 cpu=0.5` as the API takes it."""
    found: dict[str, Any] = {}
    for word in words:
        name, given, value = word.partition("=")
        if not given or name not in PARAMETERS:
            raise Failure(f"{word!r} is no parameter of run. Give NAME=VALUE with {', '.join(PARAMETERS)}.", Exit.USAGE)
        try:
            found[name] = PARAMETERS[name](value)
        except ValueError as error:
            raise Failure(f"{name} is a number, and {value!r} is none. Say {name}=0.5, for one.", Exit.USAGE) from error
    return found


def _size() -> dict[str, int]:
    cols, rows = os.get_terminal_size()
    return {"cols": max(cols, 1), "rows": max(rows, 1)}


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
    read_ahead("porthole.window")
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
