"""`/healthz` and `/readyz`, as a container platform asks them."""

import pytest
from django.db import InterfaceError, connection
from django.test import Client
from pytest_django import Settings


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_platform_that_knows_neither_host_name_nor_tls_gets_its_answer(
    db: None, settings: Settings, path: str
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get(path, HTTP_HOST="10.1.2.3:8000")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_other_addresses_take_the_portals_own_name_as_before(db: None) -> None:
    assert Client().get("/healthz/", HTTP_HOST="10.1.2.3:8000").status_code == 400


def test_alive_asks_no_database() -> None:
    """The fixture of the database was not asked for, so a question to it would raise."""
    assert Client().get("/healthz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_its_database_a_process_is_alive_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "NAME", "/no/such/database")
        assert Client().get("/healthz").status_code == 200
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.content) == (503, b"The database does not answer.\n")
    assert Client().get("/readyz").status_code == 200


@pytest.mark.django_db
def test_a_connection_that_broke_on_this_side_is_not_ready_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """What drivers raise for one is no `DatabaseError`."""

    def broken() -> None:
        raise InterfaceError("the connection is closed")

    with monkeypatch.context() as away:
        away.setattr(connection, "cursor", broken)
        assert Client().get("/readyz").status_code == 503
