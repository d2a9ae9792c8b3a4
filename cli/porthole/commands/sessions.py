"""`streams`, `detach`, `end`, `recordings`: what runs, and what ran."""

import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from porthole.commands.completion import complete_session
from porthole.commands.options import AsJson, NoAnsi
from porthole.commands.places import show
from porthole.failures import Exit, Failure

Json = dict[str, Any]

SESSION_VARIABLE = "PORTHOLE_SESSION_ID"
"""Set in every session, so that a command within it knows where it is."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (streams, detach, end, recordings):
        app.command()(command)


def streams(
    sort: Annotated[str, typer.Option(help="Fields with commas; - before one for descending.")] = "-created",
    as_json: AsJson = False,
    no_ansi: NoAnsi = False,
) -> None:
    """List the live sessions, and for a minute those that stopped."""
    from porthole import printing
    from porthole.portal import signed_in

    found = signed_in().get("streams/", sort=sort)
    columns: dict[str, Callable[[Json], object]] = {
        "id": lambda each: each["id"],
        "created": lambda each: printing.when(each["created"]),
        "duration": lambda each: printing.span(each["duration"]),
        "status": lambda each: each["status"],
        "bytes_in": lambda each: printing.size(each["bytes_in"]),
        "bytes_out": lambda each: printing.size(each["bytes_out"]),
        "params": lambda each: _params(each["params"]),
    }
    empty = "No session is live. Open one: porthole shell SERVICE"
    show(found, columns, empty=empty, as_json=as_json, no_ansi=no_ansi)


def _params(params: Json) -> str:
    from porthole import printing

    shown = dict(params)
    if "ttl" in shown:
        shown["ttl"] = "no end" if shown["ttl"] is None else printing.span(shown["ttl"])
    return " ".join(f"{name}={value}" for name, value in shown.items())


def detach(
    session: Annotated[
        str | None, typer.Argument(help="The session's id, or its end.", autocompletion=complete_session)
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long it may stay so: 30m, 1h, or 0 for no end.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a session run on without a window; within one, without an id, that session.

    In any terminal Ctrl-A D does the same.
    """
    from porthole import naming, printing
    from porthole.portal import signed_in

    named = session or os.environ.get(SESSION_VARIABLE, "")
    if not named:
        raise Failure("Say which session to detach: porthole detach ID. See: porthole streams", Exit.USAGE)
    portal = signed_in()
    uid = naming.session(portal, named)
    answer = portal.post(f"sessions/{uid}/detach/", {"ttl": ttl or None})
    if as_json:
        printing.as_json(answer)
    else:
        until = answer["detach_expires_at"]
        how_long = f"until {printing.when(until)}" if until else "without end"
        print(printing.clean(f"{uid} runs on {how_long}. Back: porthole attach {uid}"))


def end(
    session: Annotated[str, typer.Argument(help="The session's id, or its end.", autocompletion=complete_session)],
    reason: Annotated[str, typer.Option(help="Why; it goes on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a session, and every process it started."""
    from porthole import naming, printing
    from porthole.portal import signed_in

    portal = signed_in()
    uid = naming.session(portal, session)
    answer = portal.post(f"sessions/{uid}/terminate/", {"reason": reason})
    if as_json:
        printing.as_json(answer)
    else:
        print(f"{printing.clean(uid)} is {'over' if answer['state'] in ('stopped', 'failed') else 'ending'}.")


def recordings(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
    no_ansi: NoAnsi = False,
) -> None:
    """List sessions that are over, newest first; `porthole play ID` replays one."""
    from porthole import printing
    from porthole.portal import signed_in

    found = signed_in().get("sessions/", state="stopped", limit=limit)["results"]
    columns: dict[str, Callable[[Json], object]] = {
        "id": lambda each: each["uid"],
        "who": lambda each: each["user"],
        "service": lambda each: each["service_name"],
        "started": lambda each: printing.when(each["started_at"]),
        "size": lambda each: printing.size(each["bytes_out"]),
        "ended": lambda each: each["end_reason"].replace("_", " "),
    }
    show(found, columns, empty="No session of yours is over yet.", as_json=as_json, no_ansi=no_ansi)
