"""`exec`: a program in a container, without a terminal."""

from typing import Annotated, Any

import typer

from porthole.ahead import read_ahead
from porthole.commands.completion import complete_service


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("exec")(execute)


def execute(
    service: Annotated[
        str, typer.Argument(help="stack/service, a service's name or its number.", autocompletion=complete_service)
    ],
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after --.")],
    pod: Annotated[str, typer.Option(help="The pod; without one, the first that is ready.")] = "",
    container: Annotated[str, typer.Option(help="The container.")] = "",
    title: Annotated[str, typer.Option(help="What lists call the session.")] = "",
    no_stdin: Annotated[bool, typer.Option("--no-stdin", "-n", help="Read no input; the program gets none.")] = False,
) -> None:
    """Run a program in a service's container: stdin, stdout and stderr apart, byte for byte, and its exit code.

    Made for scripts and pipes. Ctrl-C ends the program.
    """
    from porthole import naming, pipes
    from porthole.endings import exit_code_of
    from porthole.portal import signed_in

    portal = signed_in()
    read_ahead("porthole.pipes")
    wanted: dict[str, Any] = {
        "service": naming.service(portal, service)["id"], "kind": "exec", "command": command, "title": title,
        "pod_name": pod, "container_name": container,
    }  # fmt: skip
    opened = portal.post("sessions/", wanted)
    outcome = pipes.run(portal, opened["uid"], opened["ticket"], stdin=not no_stdin)
    raise typer.Exit(exit_code_of(outcome, opened["uid"]))
