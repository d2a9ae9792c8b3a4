"""Ways in: the page, the admin, the API; limits on guessing, and what a login outlives."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.events import PORTAL, Action
from audit.models import Event
from portal import actions
from portal.api.authentication import refresh_token_for
from portal.models import ApiToken
from portal.permissions import Permission, Role
from tests.portal.world import PASSWORD, Tenant, api, api_token

TOKEN, REFRESH, ME = "/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/api/v1/organizations/"


def sign_in(username: str, password: str = PASSWORD, **extra: Any) -> Any:
    return api().post(TOKEN, {"username": username, "password": password}, "json", **extra)


def test_a_password_gives_tokens_that_open_the_api(acme: Tenant) -> None:
    answer = sign_in("acme-owner").json()
    assert api(token=answer["access"]).get(ME).status_code == 200
    renewed = api().post(REFRESH, {"refresh": answer["refresh"]}, "json")
    assert api(token=renewed.json()["access"]).get(ME).status_code == 200
    assert Event.objects.filter(action=Action.SIGNED_IN, detail={"via": "api"}, organization=acme.organization).exists()


def test_a_refresh_token_opens_nothing_itself(acme: Tenant) -> None:
    assert api(token=sign_in("acme-owner").json()["refresh"]).get(ME).status_code == 401


def test_a_wrong_name_and_a_wrong_password_look_the_same(acme: Tenant) -> None:
    wrong, unknown = sign_in("acme-owner", "wrong"), sign_in("nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    actions.deactivate_user(actor=PORTAL, user=acme.users[Role.ADMIN])
    assert sign_in("acme-admin").json() == wrong.json()


def test_a_password_typed_as_a_name_is_not_kept(acme: Tenant) -> None:
    sign_in("my-secret-password", "x")
    sign_in("acme-owner", "x")
    names = Event.objects.filter(action=Action.SIGN_IN_FAILED).values_list("actor_name", flat=True)
    assert set(names) == {"", "acme-owner"}


def test_guesses_at_one_account_are_stopped_wherever_they_come_from(acme: Tenant) -> None:
    for guess in range(5):
        assert sign_in("acme-owner", "wrong", REMOTE_ADDR=f"192.0.2.{guess}").status_code == 401
    blocked = sign_in("acme-owner", PASSWORD, REMOTE_ADDR="192.0.2.99")
    assert blocked.status_code == 429
    assert blocked.json()["code"] == "throttled"
    assert sign_in("acme-admin", REMOTE_ADDR="192.0.2.99").status_code == 200


def test_the_page_and_the_api_share_the_limit_and_another_host_name_does_not_help(
    acme: Tenant, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    for guess in range(5):
        sign_in("acme-owner", "wrong", HTTP_HOST=f"name{guess}.example")
    page = Client().post("/accounts/login/", {"login": "acme-owner", "password": PASSWORD})
    assert "_auth_user_id" not in page.client.session
    assert sign_in("ACME-OWNER").status_code == 429


def test_guesses_from_one_address_at_any_account_are_stopped(acme: Tenant) -> None:
    answers = [sign_in(f"user{number}", "wrong", REMOTE_ADDR="192.0.2.7").status_code for number in range(31)]
    assert answers.count(401) == 30
    assert answers[-1] == 429
    assert sign_in("acme-owner", REMOTE_ADDR="192.0.2.8").status_code == 200


def test_a_made_up_forwarded_address_is_no_other_address(acme: Tenant) -> None:
    for number in range(31):
        last = sign_in(f"user{number}", "wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    assert last.status_code == 429


def test_the_admin_has_no_login_of_its_own(acme: Tenant) -> None:
    answer = Client().get("/admin/login/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_signing_in_and_out_on_the_page_leaves_events(acme: Tenant) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": "acme-owner", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(acme.users[Role.OWNER].pk)
    client.post("/accounts/logout/")
    seen = list(Event.objects.filter(organization=acme.organization).values_list("action", flat=True)[:2])
    assert seen == [Action.SIGNED_OUT, Action.SIGNED_IN]


def test_nobody_signs_up_by_themselves(db: None) -> None:
    Client().post(
        "/accounts/signup/", {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD, "email": ""}
    )
    assert not User.objects.exists()


class TestWhatALoginOutlives:
    """Nothing: it ends with the account's being active and with its password."""

    @pytest.fixture
    def ways(self, acme: Tenant) -> dict[str, Any]:
        user = acme.users[Role.OWNER]
        page, token = api(user), api_token(user, Permission.VIEW)
        access, refresh = sign_in("acme-owner").json()["access"], str(refresh_token_for(user))
        return {
            "page": lambda: page.get(ME).status_code,
            "jwt": lambda: api(token=access).get(ME).status_code,
            "refresh": lambda: api().post(REFRESH, {"refresh": refresh}, "json").status_code,
            "token": lambda: api(token=token).get(ME).status_code,
        }

    def test_an_active_account_with_its_password(self, ways: dict[str, Any]) -> None:
        assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 200)

    def test_a_deactivated_account(self, acme: Tenant, ways: dict[str, Any]) -> None:
        actions.deactivate_user(actor=PORTAL, user=acme.users[Role.OWNER])
        assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 401)

    def test_a_changed_password(self, acme: Tenant, ways: dict[str, Any]) -> None:
        actions.set_password(actor=PORTAL, user=acme.users[Role.OWNER], password="another long password")
        after = {name: way() for name, way in ways.items()}
        assert after == {"page": 401, "jwt": 401, "refresh": 401, "token": 200}


class TestForgedTokens:
    """`alg: none`, a public key taken for a secret, headers that name a key, other people's audiences."""

    @pytest.fixture
    def claims(self, acme: Tenant) -> dict[str, Any]:
        return dict(refresh_token_for(acme.users[Role.OWNER]).access_token.payload) | {"aud": "porthole-api"}

    def refused(self, token: str) -> None:
        answer = api(token=token).get(ME)
        assert answer.status_code == 401
        assert answer.json()["code"] == "authentication_failed"

    def test_the_claims_themselves_are_good(self, claims: dict[str, Any]) -> None:
        assert api(token=jwt.encode(claims, settings.SECRET_KEY, "HS256")).get(ME).status_code == 200

    def test_no_algorithm(self, claims: dict[str, Any]) -> None:
        self.refused(jwt.encode(claims, None, "none"))

    def test_another_algorithm_with_the_same_secret(self, claims: dict[str, Any]) -> None:
        self.refused(jwt.encode(claims, settings.SECRET_KEY, "HS512"))

    def test_a_public_key_taken_for_a_secret(self, claims: dict[str, Any]) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.refused(jwt.encode(claims, key, "RS256"))
        self.refused(jwt.api_jws.PyJWS().encode(b"{}", public[:64].hex(), "HS256"))

    @pytest.mark.parametrize("name", ["kid", "jku", "jwk", "x5u", "crit"])
    def test_a_header_that_names_a_key(self, claims: dict[str, Any], name: str) -> None:
        self.refused(jwt.encode(claims, settings.SECRET_KEY, "HS256", headers={name: "../../dev/null"}))

    @pytest.mark.parametrize(
        "change",
        [
            {"aud": "porthole-session"},
            {"exp": 1},
            {"token_type": "refresh"},
            {"sub": "999999"},
            {"sub": "1 OR 1=1"},
            {"login": "x"},
        ],
    )
    def test_other_claims(self, claims: dict[str, Any], change: dict[str, Any]) -> None:
        self.refused(jwt.encode(claims | change, settings.SECRET_KEY, "HS256"))

    def test_garbage(self, db: None) -> None:
        for token in ("x", "a.b.c", "eyJ.eyJ.", "pht_", "pht_" + "x" * 43, "é"):
            self.refused(token)


class TestApiTokens:
    """Personal tokens: narrow, short-lived, shown once."""

    def test_the_token_is_in_the_answer_and_nowhere_else(self, acme: Tenant) -> None:
        client = api(acme.users[Role.OWNER])
        body = {"name": "ci", "scopes": ["view"], "expires_at": (timezone.now() + timedelta(days=1)).isoformat()}
        answer = client.post("/api/v1/tokens/", body, "json")
        secret = answer.json()["token"]
        assert answer.status_code == 201
        assert api(token=secret).get(ME).status_code == 200
        assert secret not in client.get("/api/v1/tokens/").content.decode()
        assert not ApiToken.objects.filter(digest__contains=secret[4:]).exists()
        assert not Event.objects.filter(detail__icontains=secret[4:]).exists()

    def test_a_token_does_what_its_scopes_say_and_no_more(self, acme: Tenant) -> None:
        reader = api(token=api_token(acme.users[Role.OWNER], Permission.SHELL))
        address = f"/api/v1/stacks/{acme.stack.pk}/"
        assert reader.get(address).status_code == 200
        refused = reader.patch(address, {"name": "x"}, "json")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        writer = api(token=api_token(acme.users[Role.OWNER], Permission.MANAGE))
        assert writer.patch(address, {"name": "x"}, "json").status_code == 200

    def test_a_scope_gives_nothing_that_its_owner_lacks(self, acme: Tenant) -> None:
        client = api(token=api_token(acme.users[Role.AUDITOR], Permission.MANAGE))
        assert client.patch(f"/api/v1/stacks/{acme.stack.pk}/", {"name": "x"}, "json").status_code == 403

    def test_a_token_makes_and_reads_no_tokens(self, acme: Tenant) -> None:
        client = api(token=api_token(acme.users[Role.OWNER], *Permission))
        body = {"name": "more", "scopes": ["manage"], "expires_at": (timezone.now() + timedelta(days=1)).isoformat()}
        assert client.post("/api/v1/tokens/", body, "json").status_code == 403
        assert client.get("/api/v1/tokens/").status_code == 403

    def test_an_expired_and_a_revoked_token_are_refused(self, acme: Tenant) -> None:
        user = acme.users[Role.OWNER]
        expired, revoked = api_token(user, Permission.VIEW), api_token(user, Permission.VIEW)
        old, new = ApiToken.objects.filter(user=user).order_by("pk")
        ApiToken.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        assert api(user).delete(f"/api/v1/tokens/{new.pk}/").status_code == 204
        assert api(token=expired).get(ME).status_code == 401
        assert api(token=revoked).get(ME).status_code == 401
        assert Event.objects.filter(action=Action.TOKEN_REVOKED, organization=acme.organization).count() == 1

    def test_other_peoples_tokens_do_not_exist(self, acme: Tenant) -> None:
        api_token(acme.users[Role.ADMIN], Permission.VIEW)
        token = ApiToken.objects.get()
        assert api(acme.users[Role.OWNER]).delete(f"/api/v1/tokens/{token.pk}/").status_code == 404
        assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()

    def test_a_token_for_ever_is_refused(self, acme: Tenant) -> None:
        for days in (-1, 400):
            body = {"name": "x", "scopes": ["view"], "expires_at": (timezone.now() + timedelta(days=days)).isoformat()}
            assert api(acme.users[Role.OWNER]).post("/api/v1/tokens/", body, "json").status_code == 400

    def test_use_is_noted_once_a_minute(self, acme: Tenant) -> None:
        secret = api_token(acme.users[Role.OWNER], Permission.VIEW)
        api(token=secret).get(ME)
        first = ApiToken.objects.get().last_used_at
        api(token=secret).get(ME)
        assert first is not None
        assert ApiToken.objects.get().last_used_at == first


def test_a_token_in_the_address_opens_nothing(acme: Tenant) -> None:
    token, access = api_token(acme.users[Role.OWNER], Permission.VIEW), sign_in("acme-owner").json()["access"]
    for name in ("token", "access_token", "jwt", "ticket", "api_key", "authorization"):
        for secret in (token, access):
            assert api().get(ME, {name: secret}).status_code == 401


def test_a_page_login_changes_nothing_without_its_csrf_token(acme: Tenant) -> None:
    from rest_framework.test import APIClient

    client = APIClient(enforce_csrf_checks=True)
    client.force_login(acme.users[Role.OWNER])
    answer = client.patch(f"/api/v1/stacks/{acme.stack.pk}/", {"name": "x"}, "json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
