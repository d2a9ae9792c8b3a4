"""Options that many commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="The portal's answer as JSON, for programs.")]
NoAnsi = Annotated[bool, typer.Option("--no-ansi", help="Without colours.")]
