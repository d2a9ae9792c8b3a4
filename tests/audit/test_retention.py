"""Retention: what is deleted when, what never is, and what stays of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audit import tasks
from audit.actions import mark_lost, open_recording, seal_recording
from audit.actions_retention import delete_expired_recording
from audit.actions_review import hold_recording, release_recording
from audit.events import PORTAL, Action, Actor
from audit.journal import JournalError, remove
from audit.models import Event, Health, Recording
from audit.recordings import folder_of
from portal import actions
from portal.permissions import Role
from sessions_app.models import Session
from sessions_app.words import State
from tests.audit.tampering import tamper, verify
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant, api

pytestmark = pytest.mark.django_db

AUDITOR = Actor("7", "acme-auditor")
EXPORTS = ["recording.cast", "transcript.txt", "recording.bin"]


def keep(tenant: Tenant, days: int | None) -> None:
    actions.change_organization(actor=PORTAL, organization=tenant.organization, retention_days=days)


def sealed(tenant: Tenant, days_ago: float = 0, **session: Any) -> Recording:
    """A recording that was sealed so long ago, as far as its row and its events say."""
    recording, writer = begin_recording(make_session(tenant, **session))
    writer.output(b"$ whoami\r\nroot\r\n")
    writer.close()
    seal_recording(session_uid=recording.session_uid)
    moment = timezone.now() - timedelta(days=days_ago)
    Recording.objects.filter(pk=recording.pk).update(sealed_at=moment, started_at=moment)
    recording.refresh_from_db()
    return recording


def again(recording: Recording) -> Recording:
    return Recording.objects.select_related("organization").get(pk=recording.pk)


def deletions() -> list[Event]:
    return list(Event.objects.filter(action=Action.RECORDING_DELETED).order_by("id"))


def test_the_files_go_and_the_row_says_when_and_under_which_policy(acme: Tenant) -> None:
    keep(acme, 30)
    old, young = sealed(acme, 31), sealed(acme, 29)
    folders = folder_of(old), folder_of(young)
    tasks.delete_expired_recordings()
    assert [folder.exists() for folder in folders] == [False, True]
    gone = again(old)
    assert (gone.health, gone.retention_days, gone.path) == (Health.DELETED, 30, "")
    assert gone.deleted_at is not None
    assert gone.health_detail.endswith("Acme Inc keeps recordings for 30 days.")
    assert (gone.output_sha256, gone.output_bytes) == (old.output_sha256, old.output_bytes)
    assert again(young).health == Health.COMPLETE


def test_deletion_leaves_one_event_in_the_chain(acme: Tenant) -> None:
    keep(acme, 30)
    old = sealed(acme, 31)
    for _ in range(3):
        tasks.delete_expired_recordings()
    (event,) = deletions()
    assert (event.organization_id, event.session_uid) == (acme.organization.pk, old.session_uid)
    assert event.actor_name == "portal"
    assert event.detail["retention_days"] == 30
    assert event.detail["output_sha256"] == old.output_sha256
    assert event.detail["files"] == "sealed"


def test_without_a_policy_everything_is_kept(acme: Tenant, globex: Tenant) -> None:
    keep(globex, 1)
    old = sealed(acme, 20_000)
    tasks.delete_expired_recordings()
    assert folder_of(old).exists()
    assert acme.organization.retention_days is None
    assert not deletions()


def test_each_organization_has_its_own_policy(acme: Tenant, globex: Tenant) -> None:
    keep(acme, 10)
    keep(globex, 100)
    ours, theirs = sealed(acme, 50), sealed(globex, 50)
    tasks.delete_expired_recordings()
    assert again(ours).health == Health.DELETED
    assert again(theirs).health == Health.COMPLETE


def test_what_is_not_sealed_is_never_touched(acme: Tenant) -> None:
    keep(acme, 1)
    recording, writer = begin_recording(make_session(acme, state=State.ACTIVE, end_reason=""))
    lost = open_recording(session_uid=make_session(acme).uid, organization=acme.organization, title="", user_name="ann",
                          service_name="web")  # fmt: skip
    mark_lost(session_uid=lost.session_uid, detail="The disk is gone.")
    Recording.objects.update(started_at=timezone.now() - timedelta(days=900))
    tasks.delete_expired_recordings()
    assert not delete_expired_recording(session_uid=recording.session_uid)
    writer.output(b"still here")
    writer.close()
    assert again(recording).health == Health.RECORDING
    assert again(lost).health == Health.LOST
    assert not deletions()


def test_a_session_that_lives_keeps_its_record_whatever_the_row_says(acme: Tenant) -> None:
    keep(acme, 1)
    recording = sealed(acme, 5)
    sessions = Session.objects.filter(uid=recording.session_uid)
    sessions.update(state=State.DETACHED)
    tasks.delete_expired_recordings()
    assert folder_of(recording).exists()
    sessions.update(state=State.STOPPED)
    tasks.delete_expired_recordings()
    assert again(recording).health == Health.DELETED


def test_a_legal_hold_wins_over_retention(acme: Tenant) -> None:
    keep(acme, 30)
    recording = sealed(acme, 31)
    hold_recording(session_uid=recording.session_uid, actor=AUDITOR, note="Case 7")
    tasks.delete_expired_recordings()
    assert not delete_expired_recording(session_uid=recording.session_uid)
    assert folder_of(recording).exists()
    release_recording(session_uid=recording.session_uid, actor=AUDITOR, note="Closed")
    tasks.delete_expired_recordings()
    assert again(recording).health == Health.DELETED


def test_the_database_itself_refuses_to_delete_what_is_held(acme: Tenant) -> None:
    recording = sealed(acme, 31)
    hold_recording(session_uid=recording.session_uid, actor=AUDITOR, note="Case 7")
    marked = {"health": Health.DELETED, "deleted_at": timezone.now(), "retention_days": 30}
    with pytest.raises(IntegrityError, match="recording_deleted"), transaction.atomic():
        Recording.objects.filter(pk=recording.pk).update(**marked)


def test_a_run_is_bounded_and_the_next_takes_the_rest(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "EXPIRED_A_RUN", 2)
    keep(acme, 1)
    recordings = [sealed(acme, 10 + age) for age in range(3)]
    tasks.delete_expired_recordings()
    assert [again(recording).health for recording in recordings] == [Health.COMPLETE, Health.DELETED, Health.DELETED]
    tasks.delete_expired_recordings()
    assert again(recordings[0]).health == Health.DELETED


def test_a_recording_of_another_machine_is_left_to_that_machine(acme: Tenant) -> None:
    keep(acme, 1)
    recording = sealed(acme, 10)
    Recording.objects.update(node="elsewhere")
    tasks.delete_expired_recordings()
    assert again(recording).health == Health.COMPLETE


def test_what_a_crash_left_of_the_files_is_removed_by_the_next_run(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        (folder / "output").unlink()
        raise JournalError("The disk reports an error.")

    with monkeypatch.context() as broken:
        broken.setattr("audit.actions_retention.remove", fail)
        folder = folder_of(delete_in(acme, 31, monkeypatch))
    assert folder.exists()
    assert verify("--recordings")[0] == 2
    tasks.delete_expired_recordings()
    assert not folder.exists()
    assert len(deletions()) == 1
    assert verify("--recordings")[0] == 0


def test_one_that_cannot_be_removed_holds_up_no_other(acme: Tenant) -> None:
    keep(acme, 1)
    stuck, other = sealed(acme, 11), sealed(acme, 10)
    (folder_of(stuck) / "a folder").mkdir()
    tasks.delete_expired_recordings()
    assert not (folder := folder_of(other) if again(other).path else None), folder
    assert again(stuck).health == Health.DELETED


def test_a_journal_without_seal_is_not_removed(acme: Tenant) -> None:
    recording, writer = begin_recording(make_session(acme))
    writer.close()
    with pytest.raises(JournalError, match="not sealed"):
        remove(folder_of(recording))
    assert (folder_of(recording) / "output").exists()


def test_deletion_hides_no_loss(acme: Tenant) -> None:
    keep(acme, 1)
    recording = sealed(acme, 10)
    (folder_of(recording) / "seal").unlink()
    tasks.delete_expired_recordings()
    assert deletions()[0].detail["files"] == "The seal is missing."


# --- what is said of it ---


@pytest.fixture
def deleted(acme: Tenant) -> Recording:
    keep(acme, 30)
    recording = sealed(acme, 31)
    tasks.delete_expired_recordings()
    return again(recording)


@pytest.mark.parametrize("what", EXPORTS)
def test_an_export_of_it_is_gone_with_a_code_and_a_sentence(acme: Tenant, deleted: Recording, what: str) -> None:
    answer = api(acme.users[Role.AUDITOR]).get(f"/api/v1/sessions/{deleted.session_uid}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (410, "recording_deleted")
    assert answer.json()["detail"] == deleted.health_detail


def test_the_api_says_so_and_offers_no_links(acme: Tenant, deleted: Recording) -> None:
    body = api(acme.users[Role.AUDITOR]).get(f"/api/v1/sessions/{deleted.session_uid}/recording/").json()
    assert (body["health"], body["retention_days"], body["links"]) == ("deleted", 30, None)
    assert body["deleted_at"]
    assert body["output_sha256"] == deleted.output_sha256


def test_the_page_says_so_and_has_no_player(acme: Tenant, deleted: Recording) -> None:
    html = page(acme.users[Role.AUDITOR], deleted)
    assert deleted.health_detail in html
    assert "data-player" not in html


def page(user: User, recording: Recording) -> str:
    client = Client()
    client.force_login(user)
    return client.get(f"/sessions/{recording.session_uid}/").content.decode()


# --- the verifier ---


def test_the_verifier_takes_a_deletion_with_its_event_as_right(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_in(acme, 31, monkeypatch)
    code, said = verify("--recordings")
    assert (code, "1 sealed recordings fit" in said) == (0, True), said


def delete_in(acme: Tenant, days: int, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Sealed now, and deleted by a run so many days from now."""
    keep(acme, 30)
    recording = sealed(acme)
    later = timezone.now() + timedelta(days=days)
    with monkeypatch.context() as clock:
        clock.setattr(timezone, "now", lambda: later)
        tasks.delete_expired_recordings()
    assert again(recording).health == Health.DELETED
    return again(recording)


def test_the_verifier_names_a_recording_that_is_missing_without_event(acme: Tenant) -> None:
    recording = sealed(acme)
    remove(folder_of(recording))
    code, said = verify("--recordings")
    assert code == 1
    assert recording.session_uid in said


def test_the_verifier_names_a_mark_without_event(acme: Tenant) -> None:
    recording = sealed(acme)
    remove(folder_of(recording))
    marked = {"health": Health.DELETED, "deleted_at": timezone.now(), "retention_days": 30, "path": ""}
    Recording.objects.filter(pk=recording.pk).update(**marked)
    code, said = verify("--recordings")
    assert code == 1
    assert f"{recording.session_uid} is marked as deleted, and no event says so" in said


def test_the_verifier_names_an_event_without_mark(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = delete_in(acme, 31, monkeypatch)
    Recording.objects.filter(pk=recording.pk).update(health=Health.COMPLETE, deleted_at=None, retention_days=None)
    code, said = verify("--recordings")
    assert (code, "says that the recording of" in said) == (1, True)


def test_the_verifier_names_a_row_that_is_gone_although_it_was_deleted_rightly(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = delete_in(acme, 31, monkeypatch)
    tamper("DELETE FROM audit_recording WHERE id = %s", recording.pk)
    code, said = verify("--recordings")
    assert (code, "is gone from the database" in said) == (1, True)


def test_the_verifier_names_a_deletion_before_its_time(acme: Tenant) -> None:
    """The row claimed an older sealing than its chained event."""
    keep(acme, 30)
    recording = sealed(acme, 31)
    tasks.delete_expired_recordings()
    code, said = verify("--recordings")
    assert code == 1
    assert f"{recording.session_uid} was deleted before its time" in said


# --- the policy ---


def test_who_manages_the_organization_sets_it_over_the_api(acme: Tenant) -> None:
    address = f"/api/v1/organizations/{acme.organization.pk}/"
    owner, auditor = (api(acme.users[role]) for role in (Role.OWNER, Role.AUDITOR))
    assert owner.get(address).json()["retention_days"] is None
    assert auditor.patch(address, {"retention_days": 1}, format="json").status_code == 403
    assert owner.patch(address, {"retention_days": 0}, format="json").status_code == 400
    assert owner.patch(address, {"retention_days": 90}, format="json").json()["retention_days"] == 90
    event = Event.objects.filter(action=Action.CHANGED, target_type="organization").latest("id")
    assert (event.detail["before"], event.detail["after"]) == ({"retention_days": None}, {"retention_days": 90})


def test_it_is_set_in_the_admin(acme: Tenant) -> None:
    owner = acme.users[Role.OWNER]
    owner.is_staff = True
    owner.save()
    client = Client()
    client.force_login(owner)
    address = f"/admin/portal/organization/{acme.organization.pk}/change/"
    assert 'name="retention_days"' in client.get(address).content.decode()
    fields = {"slug": "acme", "name": "Acme Inc", "retention_days": "45"}
    assert client.post(address, fields).status_code == 302
    acme.organization.refresh_from_db()
    assert acme.organization.retention_days == 45


def test_beat_runs_it(settings: Any) -> None:
    from portal.celery import app

    assert "audit.tasks.delete_expired_recordings" in {entry["task"] for entry in app.conf.beat_schedule.values()}
