"""Where journals stand, and what becomes of recordings."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from audit.actions import mark_lost, note_unrecorded, open_recording, seal_recording
from audit.events import Action
from audit.journal import JournalBusyError, JournalError
from audit.models import Event, Health, Recording
from audit.recordings import folder_of, journal_folder, journal_root, node_id
from tests.audit.conftest import UID, run_python
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant

pytestmark = pytest.mark.django_db


def test_a_journal_stands_below_its_root_in_a_folder_by_time(tmp_path: Path) -> None:
    assert journal_folder(tmp_path, UID) == tmp_path / "01kaf" / UID


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "..",
        "../../etc/passwd",
        "ws-../../../../../../../etc/pa",
        "ws-" + "x" * 25,
        "ws-" + "x" * 27,
        "WS-" + "x" * 26,
        "ws-" + "x" * 25 + "/",
        "ws-" + "x" * 26 + "\n",
        "ws-" + "%" * 26,
        "ws-" + "x" * 25 + "\u0663",
        "/s-" + "x" * 26,
    ],
)
def test_nothing_but_a_uid_makes_a_folder(tmp_path: Path, uid: str) -> None:
    with pytest.raises(ValueError, match="is no session's uid"):
        journal_folder(tmp_path, uid)


def test_a_node_keeps_its_name_as_long_as_its_data_directory(own_data_dir: Path) -> None:
    first = node_id()
    assert node_id() == first
    assert (own_data_dir / "node-id").read_text().strip() == first
    assert [path.name for path in own_data_dir.iterdir()] == ["node-id"]


def test_processes_that_start_at_once_agree_on_the_nodes_name(own_data_dir: Path) -> None:
    names: list[str] = []
    barrier = threading.Barrier(16)

    def ask() -> None:
        barrier.wait()
        names.append(node_id())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 16
    assert len(set(names)) == 1


def test_opening_twice_gives_the_same_recording(acme: Tenant) -> None:
    session = make_session(acme)
    first, second = (
        open_recording(
            session_uid=session.uid,
            organization=acme.organization,
            title="t" * 999,
            user_name="ann",
            service_name="web",
        )
        for _ in range(2)
    )
    assert first.pk == second.pk
    assert (first.health, first.node, len(first.title)) == (Health.RECORDING, node_id(), 255)
    assert folder_of(first).is_relative_to(journal_root())


def test_a_row_that_leads_elsewhere_is_not_followed(acme: Tenant, tmp_path: Path) -> None:
    recording, writer = begin_recording(make_session(acme))
    writer.close()
    for path in ("../../../etc", "/etc", "01kaf/../x", ""):
        recording.path = path
        with pytest.raises(JournalError, match="where it belongs"):
            folder_of(recording)


def test_a_folder_that_is_a_symbolic_link_is_not_followed(acme: Tenant, tmp_path: Path) -> None:
    recording, writer = begin_recording(make_session(acme))
    writer.close()
    folder = folder_of(recording)
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(JournalError, match="where it belongs"):
        folder_of(recording)


def test_a_recording_of_another_machine_is_told_as_such(acme: Tenant) -> None:
    recording, writer = begin_recording(make_session(acme))
    writer.close()
    recording.node = "other-machine"
    with pytest.raises(JournalError, match="another machine"):
        folder_of(recording)


def test_sealing_writes_hashes_health_and_one_event(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.output(b"hello")
    writer.close()
    recording = seal_recording(session_uid=session.uid)
    assert (recording.health, recording.output_bytes, len(recording.output_sha256)) == (Health.COMPLETE, 5, 64)
    assert recording.sealed_at is not None
    assert seal_recording(session_uid=session.uid).sealed_at == recording.sealed_at
    event = Event.objects.get(action=Action.RECORDING_SEALED)
    assert event.detail["output_sha256"] == recording.output_sha256
    assert (event.session_uid, event.organization_id) == (session.uid, acme.organization.pk)


def test_a_gap_shows_in_the_recordings_health(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.gap(12)
    writer.close()
    recording = seal_recording(session_uid=session.uid)
    assert (recording.health, recording.gap_bytes) == (Health.GAP, 12)
    assert "12 bytes" in recording.health_detail


def test_a_gap_that_the_disk_did_not_even_take_a_note_of_counts_too(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.gap(12)
    writer.close()
    note_unrecorded(session_uid=session.uid, length=30)
    recording = seal_recording(session_uid=session.uid)
    assert (recording.health, recording.gap_bytes, recording.output_bytes) == (Health.GAP, 42, 12)
    assert seal_recording(session_uid=session.uid).gap_bytes == 42


def test_a_live_recording_is_not_sealed(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    with pytest.raises(JournalBusyError):
        seal_recording(session_uid=session.uid)
    assert Recording.objects.get().health == Health.RECORDING
    writer.close()


def test_a_row_that_missed_the_seal_is_completed_from_it(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.output(b"hello")
    writer.close()
    sealed = seal_recording(session_uid=session.uid)
    Recording.objects.update(sealed_at=None, health=Health.RECORDING, output_sha256="")
    assert seal_recording(session_uid=session.uid).output_sha256 == sealed.output_sha256


def test_a_journal_that_is_gone_makes_the_recording_lost_once(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.close()
    folder = folder_of(Recording.objects.get())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    for _ in range(2):
        assert seal_recording(session_uid=session.uid).health == Health.LOST
    assert Event.objects.filter(action=Action.RECORDING_LOST).count() == 1
    assert not Recording.objects.unsealed_on(node_id()).exists()


def test_a_sealed_recording_stays_as_it_is_also_when_its_files_move_away(acme: Tenant) -> None:
    session = make_session(acme)
    begin_recording(session)[1].close()
    seal_recording(session_uid=session.uid)
    Recording.objects.update(node="archive")
    assert seal_recording(session_uid=session.uid).health == Health.COMPLETE


def test_a_sealed_recording_is_not_marked_lost(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.close()
    seal_recording(session_uid=session.uid)
    assert mark_lost(session_uid=session.uid, detail="the disk broke").health == Health.COMPLETE
    assert not Event.objects.filter(action=Action.RECORDING_LOST).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_that_seal_at_once_one_writes_the_row_and_the_event(acme: Tenant) -> None:
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.output(os.urandom(20_000_000))
    writer.close()
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def attempt(call: Callable[[], Recording]) -> None:
        barrier.wait()
        try:
            outcomes.append(call().health)
        except JournalBusyError:
            outcomes.append("busy")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=attempt, args=(lambda: seal_recording(session_uid=session.uid),)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"complete", "busy"}
    assert "complete" in outcomes
    assert Event.objects.filter(action=Action.RECORDING_SEALED).count() == 1


def test_the_journal_needs_no_django() -> None:
    code = (
        "import sys, audit.journal, audit.keystrokes, audit.transcripts, audit.exports, audit.events, audit.redaction;"
        "print([name for name in sys.modules if name.startswith('django')])"
    )
    result = run_python(code)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
