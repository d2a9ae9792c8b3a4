"""Terminals to compare: what a window shows that was given a screen and the rest, and one that never left."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from sessions_app.screens.process import find_node

HERE = Path(__file__).parent

Step = bytes | str | tuple[int, int]
"""Output, a screen, or a size."""


def run(script: str, *arguments: str, given: str = "") -> str:
    """What a script of this folder prints."""
    node = find_node()
    assert node is not None
    command = [node, str(HERE / script), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def differences(pairs: list[tuple[list[Step], list[Step]]], *, scrollback: int = 400) -> list[str | None]:
    """For each pair the first difference between two terminals after these steps; the first step is a size."""
    given = {"pairs": [[[_step(step) for step in steps] for steps in pair] for pair in pairs], "scrollback": scrollback}
    found: list[str | None] = json.loads(run("compare.mjs", given=json.dumps(given)))
    return found


def difference(one: list[Step], other: list[Step], *, scrollback: int = 400) -> str | None:
    """The first difference between two terminals after these steps."""
    return differences([(one, other)], scrollback=scrollback)[0]


def shown(*steps: Step, scrollback: int = 0) -> list[str]:
    """What a terminal shows after these steps, line by line."""
    given = {"show": [_step(step) for step in steps], "scrollback": scrollback}
    lines: list[str] = json.loads(run("compare.mjs", given=json.dumps(given)))
    return lines


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, bytes):
        return {"base64": base64.b64encode(step).decode()}
    return {"text": step} if isinstance(step, str) else {"size": step}
