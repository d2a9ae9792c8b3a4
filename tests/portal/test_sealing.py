"""Credentials at rest: sealed, rotated, and nowhere to be seen."""

import json
import logging
import time

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import CommandError, call_command
from pytest_django import Settings

from audit.events import PORTAL
from audit.models import Event
from portal import actions, sealing
from portal.models import Provider
from portal.permissions import Role
from tests.portal.world import SECRET, Tenant, api

FIRST, SECOND = Fernet.generate_key().decode(), Fernet.generate_key().decode()
RECIPE = {"token": SECRET}


def test_what_is_sealed_opens_again_and_does_not_show(settings: Settings) -> None:
    sealed = sealing.seal(RECIPE)
    assert SECRET.encode() not in sealed
    assert sealing.unseal(memoryview(sealed)) == RECIPE
    assert sealing.seal({}) == b""
    assert sealing.unseal(b"") == {}


def test_the_first_key_seals_and_each_one_opens(settings: Settings) -> None:
    settings.PORTHOLE_ENCRYPTION_KEYS = [FIRST]
    sealed = sealing.seal(RECIPE)
    settings.PORTHOLE_ENCRYPTION_KEYS = [SECOND, FIRST]
    assert sealing.unseal(sealed) == RECIPE
    resealed = sealing.reseal(sealed)
    settings.PORTHOLE_ENCRYPTION_KEYS = [SECOND]
    assert sealing.unseal(resealed) == RECIPE
    with pytest.raises(sealing.SealError, match="enter the credentials again"):
        sealing.unseal(sealed)


def test_a_changed_byte_is_noticed() -> None:
    sealed = bytearray(sealing.seal(RECIPE))
    sealed[-10] ^= 1
    with pytest.raises(sealing.SealError):
        sealing.unseal(bytes(sealed))


def test_another_secret_key_opens_nothing(settings: Settings) -> None:
    sealed = sealing.seal(RECIPE)
    settings.SECRET_KEY = "x" * 60
    with pytest.raises(sealing.SealError):
        sealing.unseal(sealed)


def test_a_key_that_is_none_is_told(settings: Settings) -> None:
    settings.PORTHOLE_ENCRYPTION_KEYS = ["not a key"]
    with pytest.raises(ImproperlyConfigured, match=r"Fernet\.generate_key"):
        sealing.seal(RECIPE)


def test_rotation_moves_every_provider_to_the_first_key(
    acme: Tenant, globex: Tenant, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PORTHOLE_ENCRYPTION_KEYS = [FIRST]
    call_command("rotate_encryption")
    assert "2/2" in capsys.readouterr().out
    settings.SECRET_KEY = "y" * 60
    for provider in Provider.objects.all():
        assert sealing.unseal(provider.sealed_credentials) == RECIPE


def test_rotation_names_what_it_cannot_open_and_fails(
    acme: Tenant, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SECRET_KEY = "z" * 60
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("rotate_encryption")
    assert "cluster" in capsys.readouterr().err


def test_credentials_show_in_no_answer_event_log_or_column(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = api(acme.users[Role.OWNER])
    address = f"/api/v1/providers/{acme.provider.pk}/"
    answers = [
        client.get(address),
        client.get("/api/v1/providers/"),
        client.patch(address, {"credentials": {"token": SECRET + "2"}}, "json"),
        client.patch(address, {"credentials": {"token": SECRET, "nonsense": SECRET}}, "json"),
        client.patch(address, {"credentials": {"kubeconfig": SECRET}}, "json"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 400]
    told = "".join(answer.content.decode() for answer in answers)
    told += json.dumps(list(Event.objects.values()), default=str) + caplog.text
    assert SECRET not in told
    acme.provider.refresh_from_db()
    assert SECRET.encode() not in bytes(acme.provider.sealed_credentials)
    assert sealing.unseal(acme.provider.sealed_credentials) == {"token": SECRET + "2"}


def test_a_new_address_drops_the_credentials_of_the_old_one(acme: Tenant) -> None:
    options = {"server": "https://evil.example:6443"}
    changed = actions.change_provider(actor=PORTAL, provider=acme.provider, options=options)
    assert sealing.unseal(changed.sealed_credentials) == {}


def test_an_address_is_for_those_who_manage(acme: Tenant) -> None:
    shown = api(acme.users[Role.OWNER]).get(f"/api/v1/providers/{acme.provider.pk}/").json()
    assert shown["options"] == {"server": "https://kube.example:6443"}
    assert shown["has_credentials"] is True
    seen = api(acme.users[Role.AUDITOR]).get(f"/api/v1/providers/{acme.provider.pk}/").json()
    assert set(seen) == {"id", "organization", "slug", "name", "kind"}
    refused = api(acme.users[Role.AUDITOR]).patch(f"/api/v1/providers/{acme.provider.pk}/", {"name": "x"}, "json")
    assert refused.status_code == 403


KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://kube.example:6443"%s}}]
users: [{name: u, user: {token: t%s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
"""


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ("", ", exec: {command: /bin/sh, apiVersion: v1}"),
        ("", ", auth-provider: {name: gcp}"),
        ("", ", tokenFile: /etc/passwd"),
        ("", ", client-key: /etc/ssl/key.pem"),
        (", certificate-authority: /etc/passwd", ""),
    ],
)
def test_a_kubeconfig_that_runs_programs_or_reads_files_is_refused(acme: Tenant, cluster: str, user: str) -> None:
    actions.set_credentials(actor=PORTAL, provider=acme.provider, credentials={"kubeconfig": KUBECONFIG % ("", "")})
    with pytest.raises(ValidationError, match="runs no programs"):
        actions.set_credentials(
            actor=PORTAL, provider=acme.provider, credentials={"kubeconfig": KUBECONFIG % (cluster, user)}
        )


BOMB = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)),
        "users: []",
        "clusters: [{name: c, cluster: {server: *a7}}]",
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 5000,
        "{a: " * 5000,
        "clusters: [{cluster: {server: [https://kube.example]}}]\nusers: []",
        "clusters: [{cluster: {server: 2001-99-99}}]\nusers: []",
        f"clusters: [{{cluster: {{server: !!int {':'.join(['1'] * 9000)}}}}}]\nusers: []",
        f"clusters: [{{cluster: {{server: {'9' * 9000}}}}}]\nusers: []",
    ],
    ids=["aliases", "lists", "mappings", "a list as address", "no date", "a long sum", "a long number"],
)
def test_a_kubeconfig_made_to_harm_is_refused_at_once(acme: Tenant, text: str) -> None:
    started = time.monotonic()
    body = {"credentials": {"kubeconfig": text}}
    answer = api(acme.users[Role.OWNER]).patch(f"/api/v1/providers/{acme.provider.pk}/", body, "json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("docker", {}),
        ("docker", {"host": "unix:///var/run/docker.sock"}),
        ("docker", {"host": "file:///etc/passwd"}),
        ("docker", {"host": "http://127.0.0.1:2375"}),
        ("docker", {"host": "tcp://user:password@host:2375"}),
        ("docker", {"host": "tcp://host:2375", "url": "x"}),
        ("docker", {"host": "tcp://ho st:2375"}),
        ("docker", {"host": ["tcp://host"]}),
        ("kubernetes", {"server": "http://kube:6443"}),
        ("kubernetes", {"in_cluster": True}),
        ("kubernetes", {"in_cluster": "yes"}),
        ("local", {}),
        ("mainframe", {}),
    ],
)
def test_an_address_that_cannot_be_is_a_clear_refusal(acme: Tenant, kind: str, options: dict[str, object]) -> None:
    body = {"organization": acme.organization.pk, "slug": "p", "name": "P", "kind": kind, "options": options}
    answer = api(acme.users[Role.OWNER]).post("/api/v1/providers/", body, "json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    assert not Provider.objects.filter(slug="p").exists()


def test_the_portals_own_machine_is_the_operators_to_give(acme: Tenant, settings: Settings) -> None:
    own: list[tuple[str, dict[str, object]]] = [
        ("docker", {"host": "unix:///var/run/docker.sock"}),
        ("kubernetes", {"in_cluster": True}),
        ("local", {}),
    ]
    for kind, options in own:
        actions.create_provider(
            actor=PORTAL,
            organization=acme.organization,
            slug=kind,
            name=kind,
            kind=kind,
            options=options,
            operator=True,
        )
    settings.PORTHOLE_LOCAL_PROVIDER = False
    with pytest.raises(ValidationError, match="PORTHOLE_LOCAL_PROVIDER"):
        actions.create_provider(
            actor=PORTAL, organization=acme.organization, slug="l", name="l", kind="local", operator=True
        )
