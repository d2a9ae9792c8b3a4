"""`search`: what was on screens, in every transcript that one may read."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from porthole.commands.completion import complete_session
from porthole.commands.options import AsJson, NoAnsi
from porthole.commands.places import show


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(search)


def search(
    query: Annotated[str, typer.Argument(help='Words that must all stand in a line; "several words" together.')],
    session: Annotated[
        str, typer.Option(help="Only in this session: its id, or its end.", autocompletion=complete_session)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 25,
    as_json: AsJson = False,
    no_ansi: NoAnsi = False,
) -> None:
    """Find lines in transcripts; `porthole play ID --start SECONDS` replays from there."""
    from porthole import naming
    from porthole.portal import signed_in

    portal = signed_in()
    where = {"session": naming.recording(portal, session)} if session else {}
    found = portal.get("audit/search/", q=query, limit=limit, **where)["results"]
    columns: dict[str, Callable[[dict[str, Any]], object]] = {
        "id": lambda each: each["session"],
        "second": lambda each: f"{each['at']:.1f}",
        "who": lambda each: each["user_name"],
        "text": lambda each: each["text"],
    }
    empty = "No transcript that you may read has such a line. What was printed a moment ago is found within a minute."
    show(found, columns, empty=empty, as_json=as_json, no_ansi=no_ansi)
