"""Connection tickets: what is signed into one, and every way in which one is not valid."""

import base64
import hashlib
import hmac
import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import LazySettings, settings
from jwt.warnings import InsecureKeyLengthWarning
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from sessions_app import tickets
from sessions_app.tickets import TicketError
from sessions_app.words import Kind, Via, new_uid

UID = new_uid(Kind.SHELL, Via.WEB)


def issue() -> str:
    return tickets.issue(session_uid=UID, user_id=7)


def forge(header: dict[str, Any] | None = None, key: bytes | None = None, **changes: Any) -> str:
    """A ticket that is right in everything but the changes. A claim of `...` is left out."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "aud": tickets.AUDIENCE,
        "exp": now + timedelta(seconds=60),
        "iat": now,
        "nbf": now,
        "jti": "an-id",
        "session": UID,
        "sub": "7",
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not ...}
    return jwt.encode(claims, key or tickets._key(), "HS256", headers=header)


def unsigned(alg: str, signature: bytes = b"", **claims: Any) -> str:
    """A token put together by hand, as no library would make it."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    body = jwt.decode(issue(), options={"verify_signature": False})
    head = json.dumps({"alg": alg, "typ": "JWT"}).encode()
    return ".".join([part(head), part(json.dumps(body | claims).encode()), part(signature)])


def test_a_ticket_says_whose_it_is_for_what_and_until_when() -> None:
    ticket = tickets.read(issue(), session_uid=UID)
    assert (ticket.session_uid, ticket.user_id) == (UID, 7)
    assert 55 < (ticket.expires_at - datetime.now(UTC)).total_seconds() <= 60
    assert (ticket.address, ticket.agent) == ("", "")


def test_no_two_tickets_are_the_same() -> None:
    assert len({tickets.read(issue(), session_uid=UID).jti for _ in range(50)}) == 50


def test_a_forged_ticket_without_a_change_would_be_valid() -> None:
    assert tickets.read(forge(), session_uid=UID).user_id == 7


NOW = datetime.now(UTC)
INVALID = {
    "expired": {"exp": NOW - timedelta(seconds=1)},
    "not yet valid": {"nbf": NOW + timedelta(hours=1)},
    "issued in the future": {"iat": NOW + timedelta(hours=1)},
    "another audience": {"aud": "porthole-api"},
    "another audience in a list": {"aud": ["porthole-api"]},
    "another session": {"session": new_uid(Kind.SHELL, Via.WEB)},
    "a session that is no text": {"session": [UID]},
    "a user that is no number": {"sub": "root"},
    "an empty user": {"sub": ""},
    "an end that is no time": {"exp": "never"},
    "an end beyond all time": {"exp": 10**18},
    **{f"without {claim}": {claim: ...} for claim in tickets.REQUIRED},
}


@pytest.mark.parametrize("changes", INVALID.values(), ids=INVALID.keys())
def test_a_ticket_with_a_wrong_claim_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TicketError):
        tickets.read(forge(**changes), session_uid=UID)


def test_a_ticket_is_of_no_use_for_another_session() -> None:
    with pytest.raises(TicketError, match="another session"):
        tickets.read(issue(), session_uid=new_uid(Kind.SHELL, Via.WEB))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_a_ticket_without_a_signature_is_refused(alg: str) -> None:
    for signature in (b"", b"x" * 32):
        with pytest.raises(TicketError):
            tickets.read(unsigned(alg, signature), session_uid=UID)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_key_is_refused(algorithm: str) -> None:
    claims = jwt.decode(issue(), options={"verify_signature": False})
    with warnings.catch_warnings(action="ignore", category=InsecureKeyLengthWarning):
        token = jwt.encode(claims, tickets._key(), algorithm)
    with pytest.raises(TicketError):
        tickets.read(token, session_uid=UID)


def test_a_ticket_signed_with_another_key_is_refused() -> None:
    for key in (settings.SECRET_KEY.encode(), b"\0" * 32, hashlib.sha256(settings.SECRET_KEY.encode()).digest()):
        with pytest.raises(TicketError):
            tickets.read(forge(key=key), session_uid=UID)


def test_a_public_key_of_somebody_is_no_shared_secret() -> None:
    """Key confusion: RS256 in the header, or its public key as the secret of HS256."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(issue(), options={"verify_signature": False})
    head, body, _ = unsigned("HS256").split(".")
    by_hand = hmac.new(public, f"{head}.{body}".encode(), "sha256").digest()
    for token in (jwt.encode(claims, private, "RS256"), unsigned("HS256", by_hand)):
        with pytest.raises(TicketError):
            tickets.read(token, session_uid=UID)


@pytest.mark.parametrize("kid", ["", "1", "../../dev/null", "' UNION SELECT 'key"])
def test_a_ticket_that_names_a_key_is_refused(kid: str) -> None:
    with pytest.raises(TicketError, match="key"):
        tickets.read(forge(header={"kid": kid}), session_uid=UID)


def test_a_login_token_of_the_api_is_no_ticket() -> None:
    token = AccessToken()
    token["sub"] = "7"
    with pytest.raises(TicketError):
        tickets.read(str(token), session_uid=UID)
    # Nor with every claim of a ticket, as the two are signed with different keys.
    with pytest.raises(TicketError):
        tickets.read(forge(key=settings.SECRET_KEY.encode()), session_uid=UID)


def test_a_ticket_is_no_login_token_of_the_api() -> None:
    for token in (issue(), forge(aud="porthole-api", token_type="access")):
        with pytest.raises(TokenError):
            AccessToken(token)  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\0", "ticket." * 100, "💣", "e" * 100_000])
def test_what_is_no_token_at_all_is_refused(token: str) -> None:
    with pytest.raises(TicketError):
        tickets.read(token, session_uid=UID)


def test_a_ticket_lives_as_long_as_the_settings_say(settings: LazySettings) -> None:
    settings.PORTHOLE_TICKET_LIFETIME = 0
    with pytest.raises(TicketError):
        tickets.read(issue(), session_uid=UID)


@pytest.mark.parametrize(
    "offered",
    [
        [],
        ["porthole.v1"],
        ["ticket.abc"],
        ["porthole.v2", "ticket.abc"],
        ["porthole.v1", "ticket.abc", "ticket.def"],
        ["porthole.v1", "Ticket.abc"],
    ],
)
def test_subprotocols_without_exactly_one_ticket_and_our_protocol_are_refused(offered: list[str]) -> None:
    with pytest.raises(TicketError):
        tickets.from_subprotocols(offered)


def test_the_ticket_is_found_among_the_subprotocols_in_any_order() -> None:
    assert tickets.from_subprotocols(["porthole.v1", "ticket.abc"]) == "abc"
    assert tickets.from_subprotocols(["ticket.abc", "other", "porthole.v1"]) == "abc"
