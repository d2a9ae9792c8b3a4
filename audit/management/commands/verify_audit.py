"""`manage.py verify_audit`: prove that the record is whole, or name the first place where it is not."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from audit import verification
from audit.heads import head_file, heads_folder
from audit.signing import BadKeyError
from audit.verification import ChainName, Finding, Progress, Result

WRONG, UNCHECKED = 1, 2
"""Exit codes beside 0."""

SHOW_EVERY = 0.2
"""Seconds between two lines of progress."""


class Command(BaseCommand):
    help = (
        "Check the audit events of every organization, their signed heads and, if asked, the sealed recordings. "
        "Exit code 0: all is right. 1: something is wrong, and named. 2: something could not be checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this organization")
        parser.add_argument(
            "--heads", metavar="FILE", nargs="+", type=Path, default=[], help="signed heads that were kept elsewhere"
        )
        parser.add_argument(
            "--public-key", metavar="KEY", action="append", default=[],
            help="a public key whose signatures count beside the portal's own (base64)",
        )  # fmt: skip
        parser.add_argument("--recordings", action="store_true", help="read the files of sealed recordings, too")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = list(self._findings(**options))
        except (LookupError, BadKeyError, ImproperlyConfigured) as error:
            raise CommandError(str(error.args[0]), returncode=UNCHECKED) from error
        except (DatabaseError, OSError) as error:
            raise CommandError(f"The check could not go on: {error}", returncode=UNCHECKED) from error
        if any(finding.wrong for finding in findings):
            raise CommandError("The record is not whole: see above.", returncode=WRONG)
        if findings:
            raise CommandError("Nothing wrong was found, and not all could be checked.", returncode=UNCHECKED)
        self.stdout.write("The record is whole.")

    def _findings(
        self, *, organization: str | None, heads: list[Path], public_key: list[str], recordings: bool, **_: Any
    ) -> Iterator[Finding]:
        chains = verification.chains_of(organization)
        keys = verification.trusted_keys(public_key)
        for chain in chains:
            result = verification.check_chain(chain, self._progress(f"{chain.name}: events"))
            yield from self._say(result, f"{chain.name}: {result.checked:,} events in one unbroken chain.")
        stored = verification.stored_heads(chains)
        result = verification.check_heads(stored, keys, self._progress("signed heads in the database"))
        yield from self._say(result, f"{result.checked:,} signed heads in the database fit.")
        for path, wanted in self._files(chains, heads, organization):
            result = verification.check_heads(
                verification.heads_of_file(path, wanted), keys, self._progress(f"signed heads in {path}")
            )
            yield from self._say(result, f"{result.checked:,} signed heads in {path} fit.")
        if recordings:
            result = verification.check_recordings(chains, self._progress("recordings"))
            yield from self._say(result, f"{result.checked:,} sealed recordings fit their hashes.")

    def _files(
        self, chains: list[ChainName], named: list[Path], organization: str | None
    ) -> Iterator[tuple[Path, list[ChainName] | None]]:
        """This machine's own head files and those that are named, with the chains whose heads count in them.

        All of them, unless one organization was asked for: also those of a chain of which nothing else is left.
        """
        own = (
            sorted(heads_folder().glob("*.jsonl"))
            if organization is None
            else [path for chain in chains if (path := head_file(chain.organization)).exists()]
        )
        for path in [*own, *named]:
            yield path, chains if organization else None

    def _say(self, result: Result, right: str) -> Iterator[Finding]:
        self._wipe()
        if not result.findings:
            self.stdout.write(right)
        for finding in result.findings:
            self.stdout.write((self.style.ERROR if finding.wrong else self.style.WARNING)(finding.text))
            yield finding

    def _progress(self, what: str) -> Progress:
        """Shows a count on a terminal, and nothing in a log."""
        if not sys.stderr.isatty():
            return lambda done, total=None: None
        shown = time.monotonic()

        def show(done: int, total: int | None = None) -> None:
            nonlocal shown
            if time.monotonic() - shown >= SHOW_EVERY:
                shown = time.monotonic()
                sys.stderr.write(f"\r\x1b[K{what}: {done:,}" + (f" of {total:,}" if total else ""))
                sys.stderr.flush()

        return show

    def _wipe(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
