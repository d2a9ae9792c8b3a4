"""The entry point: every failure becomes one line on stderr and an exit code."""

import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from porthole import __version__
from porthole.commands import places, playing, programs, searching, sessions, signin, terminals
from porthole.failures import Exit, Failure

BROKEN_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended."""


class Commands(TyperGroup):
    """The commands, with failures told in one form."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            end(str(failure), failure.exit_code)
        except KeyboardInterrupt:
            end("", Exit.INTERRUPTED)
        except BrokenPipeError:
            # Python would flush once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            end("", BROKEN_PIPE)


def end(message: str, code: int) -> NoReturn:
    """Say why on stderr and exit. Some of the lines may be the portal's, with names that other people chose."""
    if message:
        from porthole.printing import clean

        print("porthole: " + "\n".join(clean(line) for line in message.split("\n")), file=sys.stderr)
    sys.exit(code)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shells into your team's containers: on Kubernetes and Docker, with permissions, limits and a full record.",
)
for group in (signin, places, terminals, programs, sessions, searching, playing):
    group.add_to(app)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"porthole {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """The command."""
    app(prog_name="porthole")
