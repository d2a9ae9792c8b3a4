"""The audit log's rows: written with what they describe, and never again."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Model

from audit.actions import record
from audit.events import PORTAL, Action, Actor, Thing
from audit.models import Event
from audit.querysets import AppendOnlyError
from portal.models import Organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def event() -> Event:
    return record(action=Action.SIGNED_IN, actor=PORTAL, organization=None)


def test_an_event_is_a_snapshot_of_who_what_and_where() -> None:
    organization = Organization.objects.create(slug="acme", name="Acme")
    actor = Actor(id="7", name="ann", address="192.0.2.1", agent="curl")
    thing = Thing("service", "3", "web")
    made = record(action=Action.CHANGED, actor=actor, organization=organization, thing=thing, detail={"name": "w"})
    Organization.objects.all().delete()
    kept = Event.objects.get(pk=made.pk)
    assert (kept.organization_name, kept.actor_id, kept.actor_name) == ("Acme", "7", "ann")
    assert (kept.target_type, kept.target_id, kept.target_name) == ("service", "3", "web")
    assert (kept.action, kept.client_address, kept.client_agent) == ("object.changed", "192.0.2.1", "curl")
    assert (kept.detail, kept.organization_id) == ({"name": "w"}, organization.pk)


def test_texts_that_are_too_long_or_unstorable_are_cut_and_kept() -> None:
    actor = Actor(id="9" * 99, name="n\x00" * 200, address="a" * 99, agent="b" * 999)
    made = record(
        action=Action.CREATED,
        actor=actor,
        organization=None,
        thing=Thing("t" * 99, "i" * 99, "n" * 999),
        session_uid="s" * 99,
        detail={"token": "hidden"},
    )
    made.refresh_from_db()
    assert (len(made.actor_name), len(made.client_agent), len(made.target_name)) == (150, 255, 255)
    assert "\x00" not in made.actor_name
    assert "hidden" not in str(made.detail)


def test_an_event_stands_or_falls_with_the_change_it_describes() -> None:
    def change_that_fails() -> None:
        with transaction.atomic():
            record(action=Action.CREATED, actor=PORTAL, organization=None)
            Organization.objects.create(slug="acme", name="Acme")
            Organization.objects.create(slug="acme", name="Acme again")

    with pytest.raises(IntegrityError):
        change_that_fails()
    assert not Event.objects.exists()


def test_saving_an_event_again_is_refused(event: Event) -> None:
    event.actor_name = "forged"
    with pytest.raises(AppendOnlyError):
        event.save()


def test_an_event_with_a_key_that_exists_cannot_replace_it(event: Event) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Event(pk=event.pk, action="forged", at=event.at).save()
    with pytest.raises(AppendOnlyError):
        Event.objects.update_or_create(pk=event.pk, defaults={"action": "forged"})
    event.refresh_from_db()
    assert event.action == "user.signed_in"


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.delete(),
        lambda event: Event.objects.all().delete(),
        lambda event: Event.objects.update(action="forged"),
        lambda event: Event.objects.filter(pk=event.pk).update(action="forged"),
        lambda event: Event.objects.bulk_update([event], ["action"]),
        lambda event: Event.objects.bulk_create(
            [event], update_conflicts=True, update_fields=["action"], unique_fields=["id"]
        ),
        lambda event: Event.objects.bulk_create([event], ignore_conflicts=True),
    ],
    ids=["delete", "delete all", "update all", "update", "bulk update", "upsert", "ignored conflict"],
)
def test_every_way_to_change_or_delete_is_refused(event: Event, change: "type[Model]") -> None:
    with pytest.raises(AppendOnlyError):
        change(event)
    event.refresh_from_db()
    assert event.action == "user.signed_in"


def test_deleting_an_organization_leaves_its_events() -> None:
    organization = Organization.objects.create(slug="acme", name="Acme")
    record(action=Action.CREATED, actor=PORTAL, organization=organization)
    organization.delete()
    connection.check_constraints()
    assert Event.objects.get().organization_name == "Acme"
