"""The writes of sessions: each one once, conditional, and with its event."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.events import PORTAL, Actor
from sessions_app import actions, tickets
from sessions_app.backends.base import CleanupReport, FoundProcess
from sessions_app.models import Session, SessionHost, SessionSlot, UsedTicket
from sessions_app.tickets import TicketError
from sessions_app.words import LIVE, Detachment, EndReason, Kind, State, Via, new_uid
from tests.sessions_app import world
from tests.sessions_app.world import Lab

pytestmark = pytest.mark.django_db

SOMEBODY = Actor("7", "somebody", "192.0.2.1", "agent")


@pytest.fixture
def lab() -> Lab:
    return world.make_lab()


@pytest.fixture
def session(lab: Lab) -> Session:
    return Session.objects.get(uid=world.open_row(lab))


def host(name: str = "host") -> SessionHost:
    return actions.register_host(uid=name, node="node", pid=1, address="http://127.0.0.1:1")


def claim(session: Session, by: SessionHost) -> bool:
    return actions.claim(uid=session.uid, host=by, cols=100, rows=30)


def activate(session: Session) -> None:
    assert claim(session, host(f"host-of-{session.uid[-6:]}"))
    actions.mark_active(session=session, actor=SOMEBODY)


def state(session: Session) -> str:
    session.refresh_from_db()
    return session.state


def test_an_opened_session_is_a_snapshot_of_what_it_is_about(lab: Lab, session: Session) -> None:
    assert session.uid.startswith("sh-")
    assert session.state == State.REQUESTED
    assert (session.organization_id, session.service_id, session.user_id) == (
        lab.organization, lab.service, lab.users["developer"],
    )  # fmt: skip
    assert (session.organization_name, session.stack_name, session.service_name, session.user_name) == (
        lab.slug.title(), "Stack", "Shell", lab.names["developer"],
    )  # fmt: skip
    assert (session.session_limit, session.idle_timeout, session.max_duration) == (15, 1800, None)
    assert (session.reconnect_grace, session.detach_ttl_max, session.recording_mode) == (60, 86400, "strict")
    assert session.attach_by - session.created_at == pytest.approx(timedelta(seconds=60), abs=timedelta(seconds=2))
    assert world.events_of(session.uid) == ["session.requested"]


def test_of_two_hosts_that_claim_a_session_one_gets_it(session: Session) -> None:
    first, second = host("first"), host("second")
    assert claim(session, first)
    assert not claim(session, second)
    assert not claim(session, first)
    session.refresh_from_db()
    assert (session.state, session.host, session.cols, session.rows) == (State.PROVISIONING, first, 100, 30)


def test_a_session_whose_end_was_asked_for_cannot_be_claimed(session: Session) -> None:
    assert actions.request_end(session=session, reason=EndReason.TERMINATED, actor=SOMEBODY)
    assert not claim(session, host())


def test_a_session_becomes_active_once(session: Session) -> None:
    actions.mark_active(session=session, actor=SOMEBODY)
    assert state(session) == State.REQUESTED, "nobody has claimed it"
    activate(session)
    started = session.started_at
    actions.mark_active(session=session, actor=SOMEBODY)
    session.refresh_from_db()
    assert (session.state, session.started_at) == (State.ACTIVE, session.started_at)
    assert started is None
    assert world.events_of(session.uid) == ["session.requested", "session.opened"]


def test_an_end_of_what_no_host_has_taken_is_done_at_once(lab: Lab, session: Session) -> None:
    assert actions.request_end(session=session, reason=EndReason.CLOSED_BY_USER, actor=SOMEBODY, detail="why")
    session.refresh_from_db()
    assert (session.state, session.end_reason, session.end_detail) == (State.FAILED, "closed_by_user", "why")
    assert world.slots(lab) == 0
    assert world.events_of(session.uid) == ["session.requested", "session.failed"]


def test_an_end_of_a_running_session_is_asked_for_and_the_first_reason_counts(lab: Lab, session: Session) -> None:
    activate(session)
    assert actions.request_end(session=session, reason=EndReason.TERMINATED, actor=SOMEBODY, detail="first")
    assert not actions.request_end(session=session, reason=EndReason.IDLE_TIMEOUT, actor=PORTAL, detail="second")
    session.refresh_from_db()
    assert (session.state, session.end_requested, session.end_requested_by, session.end_detail) == (
        State.ACTIVE, "terminated", "somebody", "first",
    )  # fmt: skip
    assert world.slots(lab) == 1, "the shell still runs"
    assert world.events_of(session.uid).count("session.end_requested") == 1


def test_a_session_is_finished_once_and_its_place_is_free(lab: Lab, session: Session) -> None:
    activate(session)
    report = CleanupReport([FoundProcess(12, "sleep 60", "ended")], note="")
    assert actions.finish(session=session, reason=EndReason.EXITED, exit_code=3, cleanup=report)
    assert not actions.finish(session=session, reason=EndReason.TERMINATED, exit_code=9)
    session.refresh_from_db()
    assert (session.state, session.end_reason, session.exit_code) == (State.STOPPED, "exited", 3)
    assert session.cleanup["processes"] == [{"pid": 12, "command": "sleep 60", "outcome": "ended"}]
    assert world.slots(lab) == 0
    assert world.events_of(session.uid).count("session.ended") == 1


def test_a_session_that_never_ran_has_failed_and_one_that_ran_has_stopped(lab: Lab) -> None:
    never, ran = (Session.objects.get(uid=world.open_row(lab)) for _ in range(2))
    activate(ran)
    for session in (never, ran):
        actions.finish(session=session, reason=EndReason.PROVIDER_ERROR)
    assert (state(never), state(ran)) == (State.FAILED, State.STOPPED)
    assert world.events_of(never.uid)[-1] == "session.failed"


def test_nothing_happens_to_a_session_that_is_over(session: Session) -> None:
    activate(session)
    actions.finish(session=session, reason=EndReason.EXITED)
    before, events = world.row(session.uid), world.events_of(session.uid)
    assert not claim(session, host("late"))
    actions.mark_active(session=session, actor=SOMEBODY)
    actions.mark_ending(session=session)
    actions.note_detached(session=session, actor=SOMEBODY, ttl=60, cause=Detachment.ASKED)
    assert not actions.request_detach(session=session, ttl=60, actor=SOMEBODY)
    assert not actions.request_end(session=session, reason=EndReason.TERMINATED, actor=SOMEBODY)
    actions.request_resize(session=session, cols=10, rows=10, actor=SOMEBODY)
    assert world.row(session.uid) == before
    assert world.events_of(session.uid) == events


def test_a_detach_has_an_end_and_an_attach_takes_it_back(session: Session) -> None:
    activate(session)
    actions.note_detached(session=session, actor=SOMEBODY, ttl=60, cause=Detachment.ASKED)
    session.refresh_from_db()
    assert (session.state, session.detach_cause) == (State.DETACHED, Detachment.ASKED)
    assert session.detach_expires_at is not None
    assert session.detached_at is not None
    assert session.detach_expires_at - session.detached_at == timedelta(seconds=60)
    actions.note_attached(session=session, actor=SOMEBODY, mode="control", took_over=False)
    session.refresh_from_db()
    assert (session.state, session.detach_expires_at, session.detach_cause) == (State.ACTIVE, None, "")
    assert world.events_of(session.uid)[2:] == ["session.detached", "session.attached"]


def test_what_was_asked_for_outlasts_the_window_until_somebody_wishes_for_something_else(session: Session) -> None:
    activate(session)
    assert actions.request_detach(session=session, ttl=7200, actor=SOMEBODY)
    actions.note_detached(session=session, actor=SOMEBODY, ttl=60, cause=Detachment.LOST)
    row = world.row(session.uid)
    assert (row["detach_cause"], (row["detach_expires_at"] - row["detached_at"]).total_seconds()) == ("asked", 7200)
    assert actions.request_detach(session=session, ttl=60, actor=SOMEBODY)
    assert world.row(session.uid)["detach_expires_at"] < row["detach_expires_at"]


def test_a_watcher_does_not_bring_a_detached_session_back(session: Session) -> None:
    activate(session)
    actions.note_detached(session=session, actor=SOMEBODY, ttl=60, cause=Detachment.ASKED)
    actions.note_attached(session=session, actor=SOMEBODY, mode="watch", took_over=False)
    assert state(session) == State.DETACHED
    assert world.events_of(session.uid)[-1] == "session.watched"


def test_a_take_over_is_on_record_as_one(session: Session) -> None:
    activate(session)
    actions.note_attached(session=session, actor=SOMEBODY, mode="control", took_over=True)
    assert world.events_of(session.uid)[-1] == "session.taken_over"


def test_resizing_is_on_record(session: Session) -> None:
    activate(session)
    actions.request_resize(session=session, cols=132, rows=43, actor=SOMEBODY)
    session.refresh_from_db()
    assert (session.cols, session.rows) == (132, 43)
    assert world.events_of(session.uid)[-1] == "session.resized"


def test_a_write_that_fails_leaves_neither_row_nor_place_nor_event(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database refuses the event of an open: nothing of the open stands."""
    before = world.sessions_of(lab)
    monkeypatch.setattr(actions.sessions, "_event", _refuse)
    with pytest.raises(RuntimeError):
        world.open_row(lab)
    assert (world.sessions_of(lab), world.slots(lab)) == (before, 0)


def _refuse(*args: object, **kwargs: object) -> None:
    raise RuntimeError


def test_counters_of_many_sessions_are_one_statement(
    lab: Lab, django_assert_max_num_queries: "pytest.FixtureRequest"
) -> None:
    sessions = [Session.objects.get(uid=world.open_row(lab)) for _ in range(10)]
    now = timezone.now()
    counters = [actions.Counters(session.pk, n, n * 2, now, 80, 24) for n, session in enumerate(sessions)]
    with django_assert_max_num_queries(3):  # type: ignore[operator]  # the statement, and its transaction
        actions.flush_counters(counters)
    written = Session.objects.filter(organization=lab.organization).order_by("pk")
    assert [(s.bytes_in, s.bytes_out) for s in written] == [(n, n * 2) for n in range(10)]


def test_a_ticket_is_used_up_once(session: Session) -> None:
    ticket = tickets.read(tickets.issue(session_uid=session.uid, user_id=1), session_uid=session.uid)
    actions.redeem_ticket(ticket)
    with pytest.raises(TicketError, match="before"):
        actions.redeem_ticket(ticket)


def test_used_tickets_are_forgotten_once_they_could_not_be_used_anyway() -> None:
    now = timezone.now()
    UsedTicket.objects.create(jti="old", expires_at=now - timedelta(minutes=5))
    UsedTicket.objects.create(jti="new", expires_at=now + timedelta(seconds=30))
    actions.sweep()
    assert list(UsedTicket.objects.values_list("jti", flat=True)) == ["new"]


def test_hosts_that_are_gone_are_forgotten_unless_sessions_still_stand_in_their_name(session: Session) -> None:
    gone, holding, alive = host("gone"), host("holding"), host("alive")
    claim(session, holding)
    for row in (gone, holding):
        SessionHost.objects.filter(pk=row.pk).update(lease_expires_at=timezone.now() - timedelta(days=2))
    actions.sweep()
    assert set(SessionHost.objects.values_list("uid", flat=True)) == {"holding", "alive"}
    assert alive.lease_expires_at > timezone.now()


def test_the_database_refuses_a_stopped_session_without_a_reason(session: Session) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(state=State.STOPPED)


def test_the_database_refuses_a_state_that_is_none(session: Session) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(state="sleeping")


def test_the_database_refuses_two_sessions_in_one_place(session: Session, lab: Lab) -> None:
    other = Session.objects.get(uid=world.open_row(lab))
    taken = SessionSlot.objects.get(session=session)
    with pytest.raises(IntegrityError), transaction.atomic():
        SessionSlot.objects.filter(session=other).update(number=taken.number)


@pytest.mark.parametrize("live", sorted(LIVE))
def test_a_session_can_be_finished_from_every_state_it_can_live_in(session: Session, live: State) -> None:
    Session.objects.filter(pk=session.pk).update(state=live, started_at=timezone.now())
    assert actions.finish(session=session, reason=EndReason.HOST_LOST)
    assert state(session) == State.STOPPED


def test_detaching_again_and_again_lasts_no_longer_than_the_service_allows(session: Session) -> None:
    activate(session)
    Session.objects.filter(pk=session.pk).update(detach_ttl_max=600)
    actions.note_detached(session=session, actor=PORTAL, ttl=600, cause=Detachment.ASKED, wished=True)
    session.refresh_from_db()
    first = session.detached_at
    assert first is not None
    Session.objects.filter(pk=session.pk).update(detached_at=first - timedelta(seconds=300))
    actions.note_detached(session=session, actor=PORTAL, ttl=600, cause=Detachment.ASKED, wished=True)
    session.refresh_from_db()
    assert session.detach_expires_at == first + timedelta(seconds=300)


def test_an_idle_end_that_came_too_late_is_called_off(session: Session) -> None:
    activate(session)
    actions.request_end(session=session, reason=EndReason.IDLE_TIMEOUT, actor=PORTAL)
    counters = actions.Counters(session.pk, 1, 1, timezone.now(), 80, 24)
    actions.decline_end(session=session, reason=EndReason.IDLE_TIMEOUT, counters=counters)
    session.refresh_from_db()
    assert session.end_requested == ""


def test_an_end_that_somebody_asks_for_takes_the_place_of_one_that_can_be_called_off(session: Session) -> None:
    activate(session)
    actions.request_end(session=session, reason=EndReason.IDLE_TIMEOUT, actor=PORTAL)
    assert actions.request_end(session=session, reason=EndReason.TERMINATED, actor=SOMEBODY)
    counters = actions.Counters(session.pk, 1, 1, timezone.now(), 80, 24)
    actions.decline_end(session=session, reason=EndReason.IDLE_TIMEOUT, counters=counters)
    session.refresh_from_db()
    assert session.end_requested == "terminated"
    assert session.end_requested_by_id == SOMEBODY.id


def test_an_end_that_rests_on_a_state_is_not_asked_for_once_that_has_changed(session: Session) -> None:
    activate(session)
    late = {"session": session, "reason": EndReason.NEVER_ATTACHED, "actor": PORTAL}
    assert not actions.request_end(**late, only_in=State.REQUESTED)
    session.refresh_from_db()
    assert session.end_requested == ""


def test_uids_of_sessions_are_unique(session: Session) -> None:
    assert new_uid(Kind.SHELL, Via.API) != session.uid


def test_what_could_not_be_looked_for_is_owed_until_it_was_found(session: Session) -> None:
    activate(session)
    actions.finish(
        session=session, reason=EndReason.DETACH_EXPIRED, cleanup=CleanupReport(note="No answer.", unfinished=True)
    )
    (owed,) = Session.objects.uncleaned(timezone.now())
    assert owed == session
    assert not Session.objects.uncleaned(timezone.now() + timedelta(days=1, minutes=1))
    report = CleanupReport([FoundProcess(7, "sleep", "ended")])
    for _ in range(2):
        actions.finish_cleanup(session=session, report=report)
    session.refresh_from_db()
    assert [process["pid"] for process in session.cleanup["processes"]] == [7]
    assert not Session.objects.uncleaned(timezone.now())
    assert world.events_of(session.uid).count("session.cleaned_up") == 1


def test_a_persons_end_takes_the_place_of_the_reapers_and_is_not_called_off(session: Session) -> None:
    activate(session)
    closed = EndReason.CLOSED_BY_USER
    assert actions.request_end(session=session, reason=closed, actor=PORTAL)
    assert not actions.request_end(session=session, reason=EndReason.DISCONNECTED, actor=PORTAL)
    assert actions.request_end(session=session, reason=closed, actor=SOMEBODY)
    counters = actions.Counters(session.pk, 1, 1, timezone.now(), 80, 24)
    actions.decline_end(session=session, reason=closed, counters=counters)
    session.refresh_from_db()
    assert (session.end_requested, session.end_requested_by) == (closed, "somebody")
