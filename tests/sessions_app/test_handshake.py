"""What a WebSocket's handshake must bring, under each server. Whatever is wrong is refused before it is accepted."""

import asyncio
import http.client
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import refusal, socket
from tests.sessions_app.world import Lab


async def test_a_fresh_ticket_lets_its_user_in_and_the_protocol_is_agreed_on(
    each_url: str, lab: Lab, sign_in: SignIn
) -> None:
    session = await sign_in(lab, at=each_url).open()
    connection = await socket(each_url, session["uid"], session["ticket"])
    assert connection.subprotocol == "porthole.v1"
    await connection.close()


async def test_the_address_that_the_api_names_is_the_one_to_connect_to(
    each_url: str, lab: Lab, sign_in: SignIn
) -> None:
    session = await sign_in(lab, at=each_url).open()
    assert session["websocket_url"] == f"{each_url.replace('http', 'ws')}/ws/sessions/{session['uid']}/"


@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "{url}.evil.example", "file://", ""],
)
async def test_another_origin_is_refused_whatever_the_ticket_or_cookie(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal, origin: str
) -> None:
    session = await sign_in(lab, at=each_url).open()
    headers = {"Origin": origin.format(url=each_url), "Cookie": "porthole_session=anything"}
    # What is no origin at all, Daphne refuses itself, with 400.
    assert await refusal(each_url, session["uid"], session["ticket"], additional_headers=headers) in (400, 403)
    row = portal.office.call(world.row, session["uid"])
    assert (row["state"], row["host_id"]) == ("requested", None)
    assert await refusal(each_url, session["uid"], session["ticket"]) == 101, "the ticket was not used up"


async def test_the_portals_own_origin_is_let_in(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab, at=each_url).open()
    headers = {"Origin": each_url}
    assert await refusal(each_url, session["uid"], session["ticket"], additional_headers=headers) == 101


async def test_a_host_that_the_portal_does_not_answer_to_is_refused(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab, at=each_url).open()
    path = f"/ws/sessions/{session['uid']}/"
    protocols = f"porthole.v1, ticket.{session['ticket']}"
    assert await asyncio.to_thread(_raw_upgrade, each_url, path, "evil.example", protocols) in (400, 403)


def _raw_upgrade(url: str, path: str, host: str, protocols: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": protocols,
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


async def test_without_a_ticket_every_socket_is_refused(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab, at=each_url).open()
    uid, ticket = session["uid"], session["ticket"]
    for protocols in ([], ["porthole.v1"], [f"ticket.{ticket}"], ["porthole.v1", "ticket."], ["porthole.v1", ticket]):
        assert await refusal(each_url, uid, "", protocols=protocols) == 403
    for headers in ({"Authorization": f"Bearer {lab.logins['developer']}"}, {"Authorization": f"Bearer {ticket}"}):
        assert await refusal(each_url, uid, "", protocols=["porthole.v1"], additional_headers=headers) == 403


@pytest.mark.parametrize(
    "path",
    ["/", "/ws/", "/ws/sessions/", "/ws/sessions/../", "/ws/sessions/{uid}", "/ws/sessions/{UID}/", "/ws/x/{uid}/"],
)
async def test_no_other_path_takes_a_socket(each_url: str, lab: Lab, sign_in: SignIn, path: str) -> None:
    session = await sign_in(lab, at=each_url).open()
    path = path.format(uid=session["uid"], UID=session["uid"].upper())
    assert await refusal(each_url, session["uid"], session["ticket"], path=path) in (403, 404)


async def test_a_ticket_in_the_address_counts_for_nothing(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab, at=each_url).open()
    uid, ticket = session["uid"], session["ticket"]
    for query in (f"?ticket={ticket}", f"?ticket.{ticket}", f"?token={lab.logins['developer']}"):
        assert await refusal(each_url, uid, "", protocols=["porthole.v1"], path=f"/ws/sessions/{uid}/{query}") == 403
        assert await refusal(each_url, uid, "", protocols=[], path=f"/ws/sessions/{uid}/{query}") == 403


async def test_a_login_in_the_address_counts_for_nothing(lab: Lab, sign_in: SignIn) -> None:
    nobody = sign_in(lab, login="")
    for name in ("token", "access_token", "jwt", "api_key", "Authorization"):
        answer = await nobody.get("sessions/", **{name: lab.logins["developer"]})
        assert answer.status_code == 401


async def test_a_ticket_that_is_used_twice_at_once_lets_one_in(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab, at=each_url).open()
    outcomes = await asyncio.gather(*(refusal(each_url, session["uid"], session["ticket"]) for _ in range(10)))
    assert sorted(outcomes) == [101] + [403] * 9


async def test_a_ticket_that_was_used_at_one_web_process_is_refused_at_another(
    portal: Portal, lab: Lab, sign_in: SignIn
) -> None:
    session = await sign_in(lab).open()
    first, second = (process.url for process in portal.web.values())
    assert await refusal(first, session["uid"], session["ticket"]) == 101
    assert await refusal(second, session["uid"], session["ticket"]) == 403


async def test_a_ticket_opens_no_other_session(url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    one, other = await client.open(), await client.open()
    assert await refusal(url, one["uid"], other["ticket"]) == 403
    assert await refusal(url, other["uid"], other["ticket"]) == 101


async def test_a_ticket_names_a_user_who_must_be_allowed_in(url: str, make_lab: MakeLab, portal: Portal) -> None:
    lab = make_lab("developer", "colleague", "outsider", "root", "auditor")
    uid = portal.office.call(world.open_row, lab)
    for who in ("colleague", "outsider", "root", "auditor"):
        ticket = portal.office.call(world.ticket, uid, lab.users[who])
        assert await refusal(url, uid, ticket) == 403, who
    assert await refusal(url, uid, portal.office.call(world.ticket, uid, 10**9)) == 403


async def test_a_deactivated_users_valid_ticket_and_login_are_refused(
    url: str, lab: Lab, portal: Portal, sign_in: SignIn
) -> None:
    client = sign_in(lab)
    session = await client.open()
    portal.office.call(world.deactivate, lab)
    assert await refusal(url, session["uid"], session["ticket"]) == 403
    assert (await client.get("sessions/")).status_code == 401


async def test_a_ticket_of_somebody_who_lost_the_permission_since_is_refused(
    url: str, lab: Lab, portal: Portal, sign_in: SignIn
) -> None:
    session = await sign_in(lab).open()
    portal.office.call(world.revoke_grant, lab)
    assert await refusal(url, session["uid"], session["ticket"]) == 403


async def test_forged_and_foreign_tokens_are_refused(url: str, lab: Lab, portal: Portal, sign_in: SignIn) -> None:
    session = await sign_in(lab).open()
    claims = jwt.decode(session["ticket"], options={"verify_signature": False})
    head, body, signature = session["ticket"].split(".")
    unsigned = jwt.encode(claims, None, "none")
    forged = {
        "the API's own login": lab.logins["developer"],
        "alg none": unsigned,
        "alg none with a signature": unsigned + signature,
        "no signature": f"{head}.{body}.",
        "another key": jwt.encode(claims, "k" * 32, "HS256"),
        "the site's secret itself": jwt.encode(claims, portal.env["SECRET_KEY"], "HS256"),
        "a named key": jwt.encode(claims, "k" * 32, "HS256", headers={"kid": "1"}),
        "an older one": jwt.encode(claims | {"exp": datetime.now(UTC) - timedelta(1)}, "k" * 32, "HS256"),
        "garbage": "eyJ.eyJ.x",
    }
    for name, token in forged.items():
        assert await refusal(url, session["uid"], token) == 403, name
    assert await refusal(url, session["uid"], session["ticket"]) == 101


async def test_a_session_that_does_not_exist_is_refused_like_any_other(url: str, lab: Lab, portal: Portal) -> None:
    uid = "sh-" + "0" * 26
    assert await refusal(url, uid, portal.office.call(world.ticket, uid, lab.users["developer"])) == 403


async def test_a_thousand_bytes_of_handshake_header_do_no_harm(each_url: str, lab: Lab) -> None:
    assert await refusal(each_url, "sh-" + "0" * 26, "x" * 1000) == 403
