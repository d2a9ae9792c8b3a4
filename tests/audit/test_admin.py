"""The record in the Django admin."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actions import record
from audit.events import PORTAL, Action
from audit.models import Event, Recording
from portal import actions
from portal.permissions import Role
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant

pytestmark = pytest.mark.django_db

PAGES = ["event", "recording"]


def signed_in(user: User, *, staff: bool = True, superuser: bool = False) -> Client:
    user.is_staff, user.is_superuser = staff, superuser
    user.save()
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def marked(acme: Tenant, globex: Tenant) -> None:
    """An event and a recording of each tenant."""
    for tenant in (acme, globex):
        detail = {"of": "<script>x</script>"}
        record(action=Action.CREATED, actor=PORTAL, organization=tenant.organization, detail=detail)
        begin_recording(make_session(tenant))[1].close()


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_staff_see_the_organizations_they_audit(acme: Tenant, page: str) -> None:
    html = signed_in(acme.users[Role.AUDITOR]).get(f"/admin/audit/{page}/").content.decode()
    assert "Acme" in html
    assert "Globex" not in html


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_a_superuser_sees_all_of_them(acme: Tenant, page: str) -> None:
    html = signed_in(acme.users[Role.DEVELOPER], superuser=True).get(f"/admin/audit/{page}/").content.decode()
    assert "Acme" in html
    assert "Globex" in html


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_staff_without_audit_see_nothing(acme: Tenant, page: str) -> None:
    assert signed_in(acme.users[Role.DEVELOPER]).get(f"/admin/audit/{page}/").status_code == 403


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_another_tenants_row_is_not_there(acme: Tenant, globex: Tenant, page: str) -> None:
    model = Event if page == "event" else Recording
    foreign = model.objects.filter(organization=globex.organization).first()
    assert foreign is not None
    answer = signed_in(acme.users[Role.AUDITOR]).get(f"/admin/audit/{page}/{foreign.pk}/change/")
    assert answer.status_code == 302
    assert "Globex" not in answer.content.decode()


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_nothing_can_be_added_changed_or_deleted_not_even_by_a_superuser(acme: Tenant, page: str) -> None:
    client = signed_in(acme.users[Role.OWNER], superuser=True)
    model = Event if page == "event" else Recording
    row = model.objects.filter(organization=acme.organization).first()
    assert row is not None
    before = list(model.objects.values())
    assert client.get(f"/admin/audit/{page}/{row.pk}/change/").status_code == 200
    for address in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert client.post(f"/admin/audit/{page}/{address}", {"action": "forged"}).status_code == 403
    client.post(f"/admin/audit/{page}/", {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert list(model.objects.values()) == before


@pytest.mark.usefixtures("marked")
def test_markup_in_an_event_is_inert(acme: Tenant) -> None:
    event = Event.objects.filter(organization=acme.organization, action=Action.CREATED).latest("id")
    html = signed_in(acme.users[Role.AUDITOR]).get(f"/admin/audit/event/{event.pk}/change/").content.decode()
    assert "<script>x</script>" not in html
    assert "&lt;script&gt;x" in html


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_rows_outlive_their_organization(acme: Tenant, globex: Tenant, page: str) -> None:
    model = Event if page == "event" else Recording
    row = model.objects.filter(organization=globex.organization).latest("id")
    actions.delete_organization(actor=PORTAL, organization=globex.organization)
    client = signed_in(acme.users[Role.OWNER], superuser=True)
    assert client.get(f"/admin/audit/{page}/?q=globex-developer").status_code == 200
    assert client.get(f"/admin/audit/{page}/").status_code == 200
    assert client.get(f"/admin/audit/{page}/{row.pk}/change/").status_code == 200


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("page", PAGES)
def test_lists_can_be_searched_filtered_and_browsed_by_date(acme: Tenant, page: str) -> None:
    client = signed_in(acme.users[Role.AUDITOR])
    when = "at" if page == "event" else "started_at"
    own = "action=object.created" if page == "event" else "health__exact=recording"
    for query in ("q=web", f"{when}__year=2026", f"organization__id__exact={acme.organization.pk}", own):
        assert client.get(f"/admin/audit/{page}/?{query}").status_code == 200, query


@pytest.mark.parametrize("page", PAGES)
def test_a_list_takes_the_same_queries_however_long_it_is(acme: Tenant, page: str) -> None:
    client = signed_in(acme.users[Role.AUDITOR])
    counts: list[int] = []
    for _ in range(2):
        for _ in range(15):
            record(action=Action.CHANGED, actor=PORTAL, organization=acme.organization)
            begin_recording(make_session(acme))[1].close()
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/admin/audit/{page}/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_times_are_shown_to_the_second_and_pages_have_the_portals_icon(acme: Tenant) -> None:
    event = record(action=Action.CREATED, actor=PORTAL, organization=acme.organization)
    client = signed_in(acme.users[Role.OWNER])
    shown = event.at.strftime("%Y-%m-%d %H:%M:%S")
    for page in ("", f"{event.pk}/change/"):
        content = client.get(f"/admin/audit/event/{page}").content.decode()
        assert shown in content
        assert '<link rel="icon" href="/static/img/logo.svg"' in content
