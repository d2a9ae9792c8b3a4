"""Signed chain heads: whoever keeps one sees what was taken from the chain since."""

import base64
import json
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from audit import heads, signing
from audit.head_export import sign_and_export
from audit.models import Chain, ChainHead, Event
from audit.tasks import sign_chain_heads
from portal.celery import app
from portal.models import Organization
from portal.permissions import Permission, Role
from tests.audit.tampering import make_events, tamper, verify
from tests.portal.world import api, api_token

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.portal.world import Tenant

pytestmark = pytest.mark.django_db

WHOLE, WRONG, UNCHECKED = 0, 1, 2
KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


@pytest.fixture
def organization(own_data_dir: Path) -> Organization:
    organization = Organization.objects.create(slug="acme", name="Acme")
    make_events(organization, 4)
    return organization


@pytest.fixture
def kept(organization: Organization, tmp_path: Path) -> Path:
    """Somebody's copy of the signed heads of a chain of four events, which has five now."""
    sign_and_export()
    copy = tmp_path / "kept.jsonl"
    copy.write_bytes(heads.head_file(organization.pk).read_bytes())
    make_events(organization, 1)
    return copy


def lines(organization: Organization | None) -> list[dict[str, Any]]:
    key = organization.pk if organization else None
    return [json.loads(line) for line in heads.head_file(key).read_text().splitlines()]


def cut_chain(length: int) -> None:
    """Drop the tail as the owner of the database can: rows, the chain's own row and the signed heads."""
    tamper("DELETE FROM audit_event WHERE sequence > %s", length)
    tamper("DELETE FROM audit_chainhead")
    tamper("UPDATE audit_chain SET length = %s, head = %s", length, Event.objects.get(sequence=length).hash)


def test_a_head_says_how_long_the_chain_is_and_fits(organization: Organization) -> None:
    assert sign_and_export() == 1
    (line,) = lines(organization)
    chain = Chain.objects.get()
    assert (line["organization"], line["sequence"], line["hash"]) == (organization.pk, 4, chain.head)
    assert verify() == (WHOLE, verify()[1])
    assert "1 signed heads in the database fit." in verify()[1]


def test_signing_twice_adds_nothing(organization: Organization) -> None:
    sign_and_export()
    assert sign_and_export() == 0
    assert (len(lines(organization)), ChainHead.objects.count()) == (1, 1)


def test_each_file_only_grows(organization: Organization) -> None:
    sign_and_export()
    before = heads.head_file(organization.pk).read_bytes()
    make_events(organization, 2)
    make_events(None, 1)
    sign_and_export()
    assert heads.head_file(organization.pk).read_bytes().startswith(before)
    assert [line["sequence"] for line in lines(organization)] == [4, 6]
    assert [line["organization"] for line in lines(None)] == [None]


def test_a_file_that_was_left_behind_catches_up(organization: Organization) -> None:
    sign_and_export()
    heads.head_file(organization.pk).unlink()
    make_events(organization, 1)
    assert sign_and_export() == 2
    assert [line["sequence"] for line in lines(organization)] == [4, 5]


def test_a_line_that_a_crash_tore_is_written_anew(organization: Organization) -> None:
    sign_and_export()
    path = heads.head_file(organization.pk)
    path.write_bytes(path.read_bytes()[:-9])
    assert verify()[0] == WHOLE
    assert sign_and_export() == 1
    assert [line["sequence"] for line in lines(organization)] == [4]


def test_files_and_the_key_are_for_their_owner_alone(organization: Organization) -> None:
    sign_and_export()
    for path in (heads.head_file(organization.pk), heads.heads_folder().parent / signing.KEY_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(heads.heads_folder().stat().st_mode) == 0o700


def test_the_task_stands_in_the_schedule(organization: Organization) -> None:
    names = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert sign_chain_heads.name in names
    sign_chain_heads()
    assert ChainHead.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_sign_once(organization: Organization) -> None:
    def sign(_: int) -> None:
        try:
            sign_chain_heads()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sign, range(4)))
    assert (ChainHead.objects.count(), len(lines(organization))) == (1, 1)


def test_a_dropped_tail_is_seen_by_whoever_kept_a_head(kept: Path) -> None:
    cut_chain(3)
    heads.head_file(Organization.objects.get().pk).unlink()
    assert verify()[0] == WHOLE
    code, said = verify("--heads", str(kept))
    assert code == WRONG
    assert f"Line 1 of {kept} signs event 4" in said
    assert "the end of the chain was dropped" in said


def test_a_dropped_tail_is_seen_by_this_machines_own_file(kept: Path) -> None:
    cut_chain(3)
    assert "the end of the chain was dropped" in verify()[1]


def test_a_chain_that_was_written_anew_is_seen(kept: Path) -> None:
    cut_chain(3)
    make_events(Organization.objects.get(), 4)
    code, said = verify("--heads", str(kept))
    assert code == WRONG
    assert "the chain was rewritten at or before it" in said


def test_a_chain_that_is_gone_altogether_is_seen(kept: Path) -> None:
    for table in ("event", "chain", "chainhead"):
        tamper(f"DELETE FROM audit_{table}")
    assert verify()[0] == WRONG
    heads.head_file(Organization.objects.get().pk).unlink()
    assert verify("--heads", str(kept))[0] == WRONG


def test_a_chain_that_lost_what_was_signed_is_not_signed_again(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    sign_and_export()
    tamper("DELETE FROM audit_event WHERE sequence > 3")
    make_events(None, 1)
    with caplog.at_level(logging.ERROR):
        sign_and_export()
    assert "is missing or was replaced: run manage.py verify_audit" in caplog.text
    assert ChainHead.objects.exclude(organization=None).count() == 2


def test_a_file_that_the_table_contradicts_keeps_both(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    organization = Organization.objects.get()
    cut_chain(2)
    make_events(organization, 1)
    with caplog.at_level(logging.ERROR):
        assert (sign_and_export(), sign_and_export()) == (1, 0)
    assert [line["sequence"] for line in lines(organization)] == [4, 3]
    assert "contradict" in caplog.text


def test_a_head_that_was_changed_is_named(kept: Path) -> None:
    kept.write_text(kept.read_text().replace('"sequence": 4', '"sequence": 3'))
    code, said = verify("--heads", str(kept))
    assert (code, "does not fit its signature" in said) == (WRONG, True)


def test_a_line_that_is_no_head_is_named(kept: Path) -> None:
    for line in ("nonsense", "[]", "{}", "[" * 3000, "x" * 9000):
        kept.write_text(f"{line}\n")
        assert f"Line 1 of {kept} is no signed chain head." in verify("--heads", str(kept))[1]


def test_a_file_that_is_not_there_could_not_be_checked(organization: Organization) -> None:
    assert verify("--heads", "/nowhere/kept.jsonl")[0] == UNCHECKED


def test_a_signature_with_another_key_is_refused(kept: Path, settings: "Settings") -> None:
    settings.PORTHOLE_AUDIT_KEY = OTHER_KEY
    code, said = verify("--heads", str(kept))
    assert (code, "was signed with another key" in said) == (WRONG, True)


def test_a_head_that_claims_the_portals_key_and_another_signed_is_refused(kept: Path, settings: "Settings") -> None:
    own = signing.public_key()
    settings.PORTHOLE_AUDIT_KEY = OTHER_KEY
    ((_, head),) = heads.read_heads(kept)
    forged = heads.sign_head(head.organization, 5, "0" * 64, ChainHead.objects.get().signed_at)
    settings.PORTHOLE_AUDIT_KEY = ""
    kept.write_bytes(heads.encode_head(forged).replace(forged.public_key.encode(), own.encode()))
    assert "does not fit its signature" in verify("--heads", str(kept))[1]


def test_an_older_key_counts_when_it_is_named(kept: Path, settings: "Settings") -> None:
    old = signing.public_key()
    settings.PORTHOLE_AUDIT_KEY = OTHER_KEY
    assert verify("--heads", str(kept), "--public-key", old)[0] == WHOLE
    assert verify("--public-key", "nonsense")[0] == UNCHECKED


def test_without_any_key_signatures_could_not_be_checked(kept: Path) -> None:
    (heads.heads_folder().parent / signing.KEY_FILE).unlink()
    assert verify()[0] == UNCHECKED
    assert not (heads.heads_folder().parent / signing.KEY_FILE).exists()


def test_the_key_comes_from_the_environment(
    organization: Organization, settings: "Settings", capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PORTHOLE_AUDIT_KEY = KEY
    call_command("audit_key")
    sign_and_export()
    assert lines(organization)[0]["public_key"] == capsys.readouterr().out.strip()
    assert not (heads.heads_folder().parent / signing.KEY_FILE).exists()


@pytest.mark.parametrize("key", ["short", base64.b64encode(b"x" * 31).decode(), "ä" * 44])
def test_a_key_that_is_none_is_found_by_check(own_data_dir: Path, settings: "Settings", key: str) -> None:
    settings.PORTHOLE_AUDIT_KEY = key
    with pytest.raises(ImproperlyConfigured, match="PORTHOLE_AUDIT_KEY holds no key"):
        signing.public_key()
    assert "portal.E005" in {message.id for message in run_checks(tags=["security"])}


def test_the_signature_is_plain_ed25519_that_any_tool_can_check(organization: Organization) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    sign_and_export()
    (line,) = lines(organization)
    signature = base64.b64decode(line.pop("signature"))
    content = json.dumps(line, sort_keys=True, separators=(",", ":")).encode()
    Ed25519PublicKey.from_public_bytes(base64.b64decode(line["public_key"])).verify(signature, content)


def test_the_api_shows_auditors_where_their_chains_stand(acme: "Tenant", globex: "Tenant") -> None:
    auditor = api(acme.users[Role.AUDITOR])
    (before,) = auditor.get("/api/v1/audit/chain/").json()["results"]
    assert before["last_signed_head"] is None
    sign_and_export()
    (chain,) = auditor.get("/api/v1/audit/chain/").json()["results"]
    row = Chain.objects.get(organization=acme.organization)
    assert (chain["organization"], chain["length"], chain["head"]) == (acme.organization.pk, row.length, row.head)
    assert chain["last_signed_head"]["hash"] == row.head
    assert chain["last_signed_head"]["public_key"] == signing.public_key()
    assert auditor.get(f"/api/v1/audit/chain/?organization={globex.organization.pk}").status_code == 404
    assert api(acme.users[Role.DEVELOPER]).get("/api/v1/audit/chain/").status_code == 403
    token = api_token(acme.users[Role.AUDITOR], Permission.VIEW)
    assert api(token=token).get("/api/v1/audit/chain/").status_code == 403


def test_the_api_shows_an_events_place_in_its_chain(acme: "Tenant") -> None:
    newest, before = api(acme.users[Role.AUDITOR]).get("/api/v1/audit/events/?limit=2").json()["results"]
    assert newest["sequence"] == before["sequence"] + 1
    assert newest["previous_hash"] == before["hash"]


def test_the_admin_shows_the_state_of_the_chains(acme: "Tenant", client: Any) -> None:
    user = acme.users[Role.AUDITOR]
    user.is_staff = True
    user.save()
    client.force_login(user)
    row = Chain.objects.get(organization=acme.organization)
    page = client.get("/admin/audit/event/").content.decode()
    assert "1 hash chain</a>" in page
    assert "not signed yet" in page
    sign_and_export()
    assert "last signed</a>" in client.get("/admin/audit/event/").content.decode()
    row.refresh_from_db()
    assert row.head in client.get("/admin/audit/chain/").content.decode()
    head = ChainHead.objects.get(organization=acme.organization)
    assert head.signature in client.get(f"/admin/audit/chainhead/{head.pk}/change/").content.decode()
