"""Sessions in the Django admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.sessions_app import world


@pytest.mark.django_db
def test_a_row_leads_to_the_sessions_page_and_not_to_the_api() -> None:
    lab = world.make_lab(("developer", "root"))
    uid = world.open_row(lab)
    client = Client()
    client.force_login(User.objects.get(pk=lab.users["root"]))
    page = client.get("/admin/sessions_app/session/").content.decode()
    assert f'href="/sessions/{uid}/"' in page
    assert f"/api/v1/sessions/{uid}/" not in page
