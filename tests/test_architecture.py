"""Imports run one way; the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLAIN = (
    "sessions_app.protocol",
    "sessions_app.words",
    "sessions_app.engine.session",
    "sessions_app.backends.base",
    "audit.journal",
    "audit.events",
    "portal.permissions",
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_imports_run_one_way() -> None:
    result = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", PLAIN)
def test_plain_modules_load_without_django(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules.keys() & {{'django', 'channels', 'celery'}})"
    result = run(sys.executable, "-c", program)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr
