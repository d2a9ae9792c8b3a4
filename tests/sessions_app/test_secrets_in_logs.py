"""No token, ticket, password or keystroke is in any log, also not when the portal fails."""

import pytest

from portal.permissions import Permission
from tests.sessions_app import world
from tests.sessions_app.conftest import SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import refusal
from tests.sessions_app.world import Lab

TYPED = "a-secret-that-was-typed"
PRINTED = "a-secret-that-was-printed"


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_after_logins_sessions_refusals_and_a_failure_the_log_holds_no_secret(
    portal: Portal, lab: Lab, sign_in: SignIn, server: str
) -> None:
    url = portal.web[server].url
    client = sign_in(lab, at=url)
    answer = await client.post("auth/token/", username=lab.names["developer"], password=world.PASSWORD)
    assert answer.status_code == 200, answer.text
    login = answer.json()
    client = sign_in(lab, at=url, login=login["access"])
    assert (
        await client.post("auth/token/", username=lab.names["developer"], password="a-wrong-guess")
    ).status_code == 401
    _, token = portal.office.call(world.api_token, lab, Permission.SHELL)
    session = await sign_in(lab, at=url, login=token).open(command=["sh", "-c", f"echo {PRINTED}; cat"])
    terminal = await client.attach(session["uid"], ticket=session["ticket"])
    await terminal.type(TYPED + "\n")
    await terminal.until(PRINTED.encode())
    spent = session["ticket"]
    assert await refusal(url, session["uid"], spent) == 403
    bad = f"/ws/sessions/{session['uid']}/?ticket={spent}&token={login['access']}"
    assert await refusal(url, session["uid"], "", protocols=["porthole.v1"], path=bad) == 403
    assert (await client.get("sessions/", token=login["access"], password=world.PASSWORD)).status_code == 200
    assert (await client.get(f"sessions/{spent}/")).status_code == 404
    fresh = await client.ticket(session["uid"])
    portal.office.call(world.change_row, session["uid"], kind="unheard-of")  # what no code expects
    failure = await client.post(f"sessions/{session['uid']}/ticket/")
    assert failure.status_code == 500
    assert "Traceback" not in failure.text
    assert await refusal(url, session["uid"], fresh) in (403, 500)
    portal.office.call(world.change_row, session["uid"], kind="shell")

    log = portal.log.read_text() + (portal.data_dir / "office.log").read_text()
    assert "unheard-of" in log, "the failure was logged"
    secrets = [world.PASSWORD, "a-wrong-guess", TYPED, PRINTED]
    for secret in [*secrets, lab.logins["developer"], login["access"], login["refresh"], token, spent, fresh]:
        assert secret not in log
        assert secret.rsplit(".", 1)[-1] not in log, "nor a token's signature"
