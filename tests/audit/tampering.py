"""What the owner of the database could do to the record, past the triggers and the code."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection

from audit.actions import record
from audit.events import PORTAL, Action, Thing
from audit.models import Event
from portal.models import Organization
from tests.conftest import triggers_off_and_on


def make_events(organization: Organization | None, count: int) -> list[Event]:
    """So many more events of one chain."""
    return [
        record(action=Action.CHANGED, actor=PORTAL, organization=organization, thing=Thing("thing", str(number), "web"),
               detail={"number": number, "name": "web"})
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def as_owner() -> Iterator[None]:
    """The audit log's triggers stand aside."""
    off, on = triggers_off_and_on(connection)
    execute(*off)
    yield
    execute(*on)


def execute(*statements: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, parameters)


def tamper(statement: str, *parameters: Any) -> None:
    """Run one statement as the owner."""
    with as_owner():
        execute(statement, parameters=parameters)


def verify(*arguments: str) -> tuple[int, str]:
    """The exit code of `verify_audit` and what it says."""
    out = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()
