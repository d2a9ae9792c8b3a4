"""What `pip install ./cli` would install."""

import tomllib
from importlib.metadata import version

from packaging.requirements import Requirement

from tests.cli.command import ROOT

PROJECT = tomllib.loads((ROOT / "cli" / "pyproject.toml").read_text())
TESTED_WITH = {"typer", "httpx", "websockets", "rich"}


def test_every_folder_of_the_command_is_in_the_distribution() -> None:
    folders = {file.parent.relative_to(ROOT / "cli") for file in (ROOT / "cli" / "porthole").rglob("*.py")}
    assert {".".join(folder.parts) for folder in folders} == set(PROJECT["tool"]["setuptools"]["packages"])


def test_the_tests_run_with_versions_that_the_distribution_allows() -> None:
    requirements = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    assert {requirement.name for requirement in requirements} == TESTED_WITH
    for requirement in requirements:
        assert requirement.specifier.contains(version(requirement.name)), requirement
