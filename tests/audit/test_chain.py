"""Every event has its place in the hash chain of its organization."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import strategies as st

from audit import chain
from audit.actions import record
from audit.events import PORTAL, Action
from audit.models import Chain, ChainHead, Event
from audit.querysets import AppendOnlyError
from portal.models import Organization
from tests.audit.tampering import execute, make_events, verify

ROOT = Path(__file__).parents[2]
COLUMNS = dict.fromkeys(chain.COLUMNS, "") | {"at": datetime(2026, 11, 20, 10, tzinfo=UTC), "detail": {}}


@pytest.fixture
def organization(db: None) -> Organization:
    return Organization.objects.create(slug="acme", name="Acme")


def test_the_canonical_form_never_changes() -> None:
    detail = {"b": [1.0, True, None], "a": 0.5}
    columns = COLUMNS | {"action": "object.changed", "actor_name": "Zoë", "detail": detail}
    assert chain.canonical(7, 1, chain.GENESIS, columns) == (
        b'{"action":"object.changed","actor_id":"","actor_name":"Zo\\u00eb","at":"2026-11-20T10:00:00.000000+00:00",'
        b'"client_address":"","client_agent":"","detail":{"a":0.5,"b":[1,true,null]},"organization":7,'
        b'"organization_name":"","previous_hash":"' + b"0" * 64 + b'","sequence":1,"session_uid":"","target_id":"",'
        b'"target_name":"","target_type":"","version":1}'
    )
    assert (
        chain.link(7, 1, chain.GENESIS, columns) == "5d7b7c16d27ff48955ef7b14d793ff66fc275f98d294035012d0f1cb5f505d33"
    )


def test_a_time_is_the_same_in_every_zone() -> None:
    here = datetime(2026, 11, 20, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert chain.instant(here) == "2026-11-20T10:00:00.000005+00:00"


def test_events_follow_each_other_from_one_on(organization: Organization) -> None:
    first, second = make_events(organization, 2)
    assert (first.sequence, first.previous_hash) == (1, chain.GENESIS)
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    row = Chain.objects.get(organization=organization)
    assert (row.length, row.head) == (2, second.hash)


def test_organizations_and_the_portal_itself_have_chains_of_their_own(organization: Organization) -> None:
    other = Organization.objects.create(slug="globex", name="Globex")
    events = [make_events(one, 1)[0] for one in (organization, other, None)]
    assert [event.sequence for event in events] == [1, 1, 1]
    assert len({event.hash for event in events}) == 3


@pytest.mark.django_db
@example({"": 3.602879701896397e16})
@example({"": -0.0})
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_what_the_database_gives_back_has_the_hash_of_what_went_in(detail: dict[str, Any]) -> None:
    made = record(action=Action.CHANGED, actor=PORTAL, organization=None, detail=detail)
    kept = Event.objects.get(pk=made.pk)
    columns = {name: getattr(kept, name) for name in chain.COLUMNS}
    assert chain.link(None, kept.sequence, kept.previous_hash, columns) == kept.hash


def test_a_change_that_fails_leaves_no_gap(organization: Organization) -> None:
    make_events(organization, 1)

    def change_that_fails() -> None:
        with transaction.atomic():
            make_events(organization, 2)
            Organization.objects.create(slug="acme", name="Acme again")

    with pytest.raises(IntegrityError):
        change_that_fails()
    assert make_events(organization, 1)[0].sequence == 2
    assert verify()[0] == 0


def test_an_event_takes_two_statements_beside_its_insert(organization: Organization) -> None:
    make_events(organization, 1)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        make_events(organization, 1)
    assert len(queries) == 3, [query["sql"] for query in queries]


def test_the_time_runs_with_the_sequence(organization: Organization) -> None:
    times = [event.at for event in make_events(organization, 3)]
    assert times == sorted(times)


def test_many_events_at_once_are_refused(organization: Organization) -> None:
    with pytest.raises(AppendOnlyError):
        Event.objects.bulk_create([Event(organization=organization)])


def test_signed_heads_are_never_changed_by_the_code(organization: Organization) -> None:
    for change in (ChainHead.objects.all().delete, lambda: ChainHead.objects.update(hash="x")):
        with pytest.raises(AppendOnlyError):
            change()


STATEMENTS = [
    "UPDATE audit_event SET detail = '{}'",
    "UPDATE audit_event SET hash = hash",
    "DELETE FROM audit_event",
    "UPDATE audit_chainhead SET hash = 'x'",
    "DELETE FROM audit_chainhead",
    "DELETE FROM audit_chain",
    "UPDATE audit_chain SET length = length - 1",
    "UPDATE audit_chain SET organization_id = 99",
]
ONLY = {
    "postgresql": ["TRUNCATE audit_event", "TRUNCATE audit_chain", "TRUNCATE audit_chainhead"],
    "sqlite": [
        f"INSERT OR REPLACE INTO audit_{table} SELECT * FROM audit_{table}" for table in ("event", "chain", "chainhead")
    ],
}


def test_the_database_itself_refuses_to_change_or_delete(organization: Organization) -> None:
    make_events(organization, 2)
    ChainHead.objects.create(
        organization=organization, sequence=2, hash="x", signed_at=datetime.now(UTC), public_key="x", signature="x"
    )
    before = list(Event.objects.values())
    for statement in STATEMENTS + ONLY[connection.vendor]:
        with pytest.raises(IntegrityError, match=r"append-only|only goes forward"), transaction.atomic():
            execute(statement)
    assert list(Event.objects.values()) == before
    assert (Chain.objects.count(), ChainHead.objects.count()) == (1, 1)


WRITER = """
import sys, django
django.setup()
from django.db import transaction
from audit.actions import record
from audit.events import PORTAL, Action
from portal.models import Organization
organizations = [*Organization.objects.order_by("pk"), None]
for number in range(int(sys.argv[1])):
    for organization in organizations:
        with transaction.atomic():
            record(action=Action.CHANGED, actor=PORTAL, organization=organization, detail={"number": number})
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own, migrated by the portal's own command."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'chain.sqlite3'}"
        return
    import psycopg

    url, name = request.getfixturevalue("postgres_url"), f"test_chain_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    yield f"{url.rpartition('/')[0]}/{name}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def python(database_url: str, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts Python with that database, in a process of its own."""
    environment = os.environ | {"DATABASE_URL": database_url, "PORTHOLE_DATA_DIR": str(tmp_path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return lambda *arguments: subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, **pipes)


def done(process: "subprocess.Popen[str]") -> str:
    """What it said; it must have gone well."""
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    return output


def test_writers_in_four_processes_make_one_unbroken_chain(python: Callable[..., "subprocess.Popen[str]"]) -> None:
    done(python("manage.py", "migrate", "-v0"))
    make = "from portal.models import Organization as O; [O.objects.create(slug=s, name=s) for s in ('acme', 'globex')]"
    done(python("manage.py", "shell", "-v0", "-c", make))
    # None of the chains has a row yet, so that the four race for the first event too.
    for writer in [python("-c", WRITER, "50") for _ in range(4)]:
        done(writer)
    said = done(python("manage.py", "verify_audit"))
    assert said.count("200 events in one unbroken chain") == 3, said


OLD_EVENTS = """
from django.utils import timezone
from audit.models import Event
for organization in (7, None, 7):
    Event(organization_id=organization, at=timezone.now(), action="object.changed", detail={"ratio": 1.0}).save()
"""


def test_events_from_before_the_chain_are_chained(python: Callable[..., "subprocess.Popen[str]"]) -> None:
    done(python("manage.py", "migrate", "-v0", "audit", "0001"))
    done(python("manage.py", "shell", "-v0", "-c", OLD_EVENTS))
    done(python("manage.py", "migrate", "-v0"))
    done(python("manage.py", "migrate", "-v0", "audit", "0001"))
    done(python("manage.py", "migrate", "-v0"))
    said = done(python("manage.py", "verify_audit"))
    assert "the portal itself: 1 events" in said
    assert "the deleted organization 7: 2 events" in said


def test_the_hash_is_plain_sha256_that_any_tool_can_make(organization: Organization) -> None:
    make_events(organization, 2)
    event = Event.objects.get(organization=organization, sequence=2)
    fields = {name: getattr(event, name) for name in chain.COLUMNS} | {
        "at": event.at.isoformat(timespec="microseconds"), "version": 1, "organization": organization.pk, "sequence": 2,
        "previous_hash": event.previous_hash,
    }  # fmt: skip
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == event.hash
