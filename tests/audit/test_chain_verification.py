"""`verify_audit` names the first place where the record was tampered with, even by the owner of the database."""

import os
import re
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit import chain
from audit.actions import seal_recording
from audit.models import Event, Recording
from audit.recordings import folder_of
from portal.models import Organization
from tests.audit.tampering import as_owner, execute, make_events, tamper, verify
from tests.audit.world import begin_recording, make_session

if TYPE_CHECKING:
    from tests.portal.world import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_dir")]

WHOLE, WRONG, UNCHECKED = 0, 1, 2


@pytest.fixture
def organization() -> Organization:
    organization = Organization.objects.create(slug="acme", name="Acme")
    make_events(organization, 6)
    return organization


def forge(event: Event, **changes: object) -> str:
    """Change an event and give it the hash that it would have had: the new hash."""
    columns = {name: getattr(event, name) for name in chain.COLUMNS} | changes
    made = chain.link(event.organization_id, event.sequence, event.previous_hash, columns)
    sets = ", ".join(f"{name} = %s" for name in changes)
    tamper(f"UPDATE audit_event SET {sets}, hash = %s WHERE id = %s", *changes.values(), made, event.pk)
    return made


def at(sequence: int) -> Event:
    return Event.objects.get(sequence=sequence)


def test_a_whole_record_is_said_to_be_whole(organization: Organization) -> None:
    make_events(None, 2)
    code, said = verify()
    assert code == WHOLE
    assert "acme: 6 events in one unbroken chain." in said
    assert "the portal itself: 2 events" in said


@pytest.mark.parametrize("column", [*chain.COLUMNS, "hash", "previous_hash"])
def test_a_change_of_any_column_is_named(organization: Organization, column: str) -> None:
    value: object = f"{getattr(at(3), column)}x"[-60:]
    value = {"at": "2020-01-01 00:00:00+00:00", "detail": '{"number": 3, "name": "web"}'}.get(column, value)
    tamper(f"UPDATE audit_event SET {column} = %s WHERE sequence = 3", value)
    code, said = verify()
    assert code == WRONG
    assert re.search(r"^Event 3 \(.+\) of acme (was changed|is out of place)", said, re.MULTILINE), said


def test_one_flipped_byte_in_a_detail_is_named(organization: Organization) -> None:
    tamper("""UPDATE audit_event SET detail = '{"name": "wec", "number": 4}' WHERE sequence = 5""")
    assert verify() == (WRONG, Said("Event 5", "was changed: what it says does not fit its hash"))


def test_a_removed_row_in_the_middle_is_named(organization: Organization) -> None:
    tamper("DELETE FROM audit_event WHERE sequence = 3")
    assert verify() == (WRONG, Said("Event 3 is missing from acme: after event 2 comes event 4 ("))


def test_removed_rows_at_the_beginning_are_named(organization: Organization) -> None:
    tamper("DELETE FROM audit_event WHERE sequence < 3")
    assert verify() == (WRONG, Said("Events 1 to 2 are missing from acme"))


def test_a_dropped_tail_is_named(organization: Organization) -> None:
    tamper("DELETE FROM audit_event WHERE sequence > 4")
    assert verify() == (WRONG, Said("Events 5 to 6 are missing from the end of acme."))


def test_a_reordered_pair_is_named(organization: Organization) -> None:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        tamper("UPDATE audit_event SET sequence = %s WHERE sequence = %s", new, old)
    assert verify() == (WRONG, Said("Event 3", "is out of place"))


def test_a_pair_whose_ids_were_exchanged_is_named(organization: Organization) -> None:
    first, second = at(3).pk, at(4).pk
    for old, new in ((first, 10**9), (second, first), (10**9, second)):
        tamper("UPDATE audit_event SET id = %s WHERE id = %s", new, old)
    assert verify() == (WRONG, Said("Event 4", "has a lower id than the event before"))


def test_an_event_with_a_new_hash_is_named_by_the_next(organization: Organization) -> None:
    forge(at(3), actor_name="somebody else")
    assert verify() == (WRONG, Said("Event 4", "does not follow event 3"))


def test_a_last_event_with_a_new_hash_is_named(organization: Organization) -> None:
    forge(at(6), actor_name="somebody else")
    assert verify() == (WRONG, Said("Event 6", "is not the one that the chain's row names"))


def test_an_event_from_another_chain_is_named(organization: Organization) -> None:
    make_events(None, 7)
    tamper("UPDATE audit_event SET organization_id = %s WHERE sequence = 7", organization.pk)
    code, said = verify("--organization", "acme")
    assert code == WRONG
    assert "Event 7" in said


def test_a_removed_chain_row_is_named(organization: Organization) -> None:
    tamper("DELETE FROM audit_chain")
    assert verify() == (WRONG, Said("The row of acme's chain names fewer events than there are"))


def test_a_place_that_is_taken_twice_is_named(organization: Organization) -> None:
    names = ", ".join(field.column for field in Event._meta.concrete_fields if field.name not in ("id", "sequence"))
    with as_owner():
        execute(f"INSERT INTO audit_event (sequence, {names}) SELECT 0, {names} FROM audit_event WHERE sequence = 2")
    code, said = verify()
    assert code == WRONG
    assert "Event 0" in said


def test_each_broken_chain_is_named_once(organization: Organization) -> None:
    other = Organization.objects.create(slug="globex", name="Globex")
    make_events(other, 3)
    tamper("UPDATE audit_event SET actor_name = 'x' WHERE sequence >= 2")
    code, said = verify()
    assert code == WRONG
    assert (said.count("Event 2"), said.count("Event 3")) == (2, 0)


def test_one_organization_is_checked_by_itself(organization: Organization) -> None:
    make_events(Organization.objects.create(slug="globex", name="Globex"), 1)
    tamper("UPDATE audit_event SET actor_name = 'x' WHERE sequence = 5")
    assert verify("--organization", "globex")[0] == WHOLE
    assert verify("--organization", "acme")[0] == WRONG
    assert verify("--organization", "nobody") == (UNCHECKED, "There is no organization 'nobody'.")


def test_the_chain_of_a_deleted_organization_is_checked(organization: Organization) -> None:
    key = organization.pk
    organization.delete()
    assert verify()[0] == WHOLE
    tamper("UPDATE audit_event SET actor_name = 'x' WHERE sequence = 5")
    assert verify() == (WRONG, Said(f"of the deleted organization {key} was changed"))


def test_memory_stays_flat(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.verification.chains.BATCH", 50)

    def peak() -> int:
        tracemalloc.start()
        assert verify()[0] == WHOLE
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    make_events(organization, 94)
    peak()  # what is loaded once
    small = peak()
    make_events(organization, 900)
    assert peak() < small * 1.5


def test_a_database_that_does_not_answer_could_not_be_checked(tmp_path: Path) -> None:
    import subprocess

    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    command = [sys.executable, "manage.py", "verify_audit"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True)
    assert (done.returncode, "could not go on" in done.stderr) == (UNCHECKED, True), done.stderr


def test_progress_is_shown_on_a_terminal(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("audit.verification.chains.BATCH", 2)
    monkeypatch.setattr("audit.management.commands.verify_audit.SHOW_EVERY", 0)
    verify()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    verify()
    assert "acme: events: 4 of 6" in capsys.readouterr().err


@pytest.fixture
def sealed(acme: "Tenant") -> Recording:
    recording, writer = begin_recording(make_session(acme))
    writer.output(b"what was on the screen")
    writer.close()
    return seal_recording(session_uid=recording.session_uid)


def test_sealed_recordings_fit(sealed: Recording) -> None:
    code, said = verify("--recordings")
    assert (code, "1 sealed recordings fit" in said) == (WHOLE, True), said


@pytest.mark.parametrize("name", ["output", "timeline"])
def test_a_flipped_byte_in_a_recording_is_named(sealed: Recording, name: str) -> None:
    path = folder_of(sealed) / name
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert verify()[0] == WHOLE
    assert verify("--recordings") == (WRONG, Said(f"The {name} of the recording of {sealed.session_uid}"))


def test_files_that_are_gone_are_named(sealed: Recording) -> None:
    (folder_of(sealed) / "output").unlink()
    assert verify("--recordings") == (WRONG, Said(f"{sealed.session_uid}: The recording's files are missing."))


def test_a_recording_changed_with_its_seal_and_its_row_is_named(sealed: Recording) -> None:
    Recording.objects.update(output_sha256="0" * 64)
    assert verify("--recordings") == (WRONG, Said("has other hashes than event"))


def test_a_recording_whose_row_is_gone_is_named(sealed: Recording) -> None:
    Recording.objects.all().delete()
    assert verify("--recordings") == (WRONG, Said(f"The recording of {sealed.session_uid} is gone"))


def test_a_recording_that_no_event_sealed_is_named(acme: "Tenant", sealed: Recording) -> None:
    recording, writer = begin_recording(make_session(acme))
    writer.close()
    Recording.objects.filter(pk=recording.pk).update(sealed_at=sealed.sealed_at)
    assert verify("--recordings") == (WRONG, Said(f"{recording.session_uid} is sealed, and no event says so"))


def test_a_recording_on_another_machine_could_not_be_checked(sealed: Recording) -> None:
    Recording.objects.update(node="elsewhere")
    assert verify("--recordings") == (UNCHECKED, Said("is on another machine (elsewhere)"))


class Said:
    """Equals a text that has all of these parts, in their order, in one line."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return re.search(".*".join(map(re.escape, self.parts)), str(other)) is not None

    def __repr__(self) -> str:
        return " … ".join(self.parts)
