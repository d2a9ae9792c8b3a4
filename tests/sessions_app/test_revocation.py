"""Access that is withdrawn cuts the live session: socket, shell and keystrokes, within five seconds."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from portal.permissions import Permission
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal, processes_of
from tests.sessions_app.terminal import eventually
from tests.sessions_app.world import Lab

WITHIN = 5.0


WAYS = [world.revoke_grant, world.expire_grant, world.narrow_grant, world.remove_member, world.deactivate]


@pytest.mark.parametrize("lose", WAYS, ids=lambda lose: lose.__name__)
async def test_a_live_session_is_cut_within_five_seconds(
    lab: Lab, sign_in: SignIn, portal: Portal, tmp_path: Path, lose: world.Lose
) -> None:
    proof = tmp_path / "proof"
    uid, terminal = await sign_in(lab).shell(
        "bash", "-c", f"nohup sleep 600 & printf ready; while read -r line; do echo \"$line\" >> '{proof}'; done"
    )
    await terminal.until(b"ready")
    assert processes_of(uid)
    portal.office.call(lose, lab)
    began = time.monotonic()
    ended = await terminal.frame("ended")
    assert ended["reason"] == "access_revoked"
    assert await terminal.closed() == 4403
    assert time.monotonic() - began < WITHIN

    async def gone() -> bool:
        return not processes_of(uid)

    await eventually(gone)  # what nohup protects, too: that takes a moment more
    assert not proof.exists()

    async def over() -> bool:
        return bool(portal.office.call(world.row, uid)["end_reason"] == "access_revoked")

    await eventually(over)
    assert portal.office.call(world.slots, lab) == 0


async def test_no_keystroke_arrives_once_the_end_is_told(
    lab: Lab, sign_in: SignIn, portal: Portal, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    # It outlives the hang-up for a while, and would write down what it reads.
    _, terminal = await sign_in(lab).shell(
        "bash", "-c", f"trap '' HUP; printf ready; while read -r line; do echo \"$line\" >> '{proof}'; done"
    )
    await terminal.until(b"ready")
    await terminal.type("before\n")
    await terminal.until(b"before")
    portal.office.call(world.revoke_grant, lab)
    await terminal.frame("state", state="ending")
    with suppress(ConnectionClosed):
        for _ in range(20):
            await terminal.type("after\n")
    assert await terminal.closed() == 4403
    assert proof.read_text() == "before\n"


async def test_whoever_lost_access_sees_not_one_byte_more(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    _, terminal = await sign_in(lab).shell(
        "bash", "-c", "trap 'echo LEAK; sleep 0.3; exit' HUP; printf ready; while :; do sleep 0.1; done"
    )
    await terminal.until(b"ready")
    portal.office.call(world.revoke_grant, lab)
    assert await terminal.closed() == 4403
    assert bytes(terminal.output) == b"ready"


async def test_a_detached_session_is_cut_too(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    uid, terminal = await sign_in(lab).shell("sleep", "600")
    await terminal.send(type="detach", ttl=3600)
    assert await terminal.closed() == 1000
    portal.office.call(world.revoke_grant, lab)
    began = time.monotonic()

    async def gone() -> bool:
        return not processes_of(uid)

    await eventually(gone)
    assert time.monotonic() - began < WITHIN


@pytest.mark.parametrize("end", [world.revoke_token, world.expire_token], ids=lambda end: end.__name__)
async def test_a_session_that_a_token_opened_ends_with_the_token(
    lab: Lab, sign_in: SignIn, portal: Portal, end: world.LoseTeam
) -> None:
    token, secret = portal.office.call(world.api_token, lab, Permission.SHELL)
    _, kept = await sign_in(lab).shell("cat")
    _, terminal = await sign_in(lab, login=secret).shell("cat")
    portal.office.call(end, token)
    assert await terminal.closed() == 4403
    await kept.type("kept\n")
    await kept.until(b"kept")


async def test_a_watcher_whose_permission_is_withdrawn_is_cut_off_and_the_session_goes_on(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab).shell("cat")
    watching = await sign_in(lab, "watcher").attach(uid, mode="watch")
    began = time.monotonic()
    portal.office.call(world.revoke_grant, lab, "watcher")
    assert (await watching.frame("error"))["code"] == 4403
    assert await watching.closed() == 4403
    assert time.monotonic() - began < WITHIN
    await terminal.type("kept\n")
    await terminal.until(b"kept\r\nkept")
    assert b"kept" not in watching.output


async def test_a_window_that_a_token_opened_is_cut_off_with_the_token_and_the_session_goes_on(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    """The session itself was opened by signing in, so it has nothing to do with the token."""
    token, secret = portal.office.call(world.api_token, lab, Permission.SHELL)
    uid, first = await sign_in(lab).shell("cat")
    by_token = await sign_in(lab, login=secret).attach(uid)
    assert await first.closed() == 4409
    portal.office.call(world.revoke_token, token)
    assert await by_token.closed() == 4403
    again = await sign_in(lab).attach(uid)
    await again.type("kept\n")
    await again.until(b"kept\r\nkept")


async def test_the_sessions_of_a_deleted_service_end_although_their_user_may_do_everything(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    portal.office.call(world.allow_everything, lab)
    client = sign_in(lab)
    requested = (await client.open())["uid"]
    uid, terminal = await client.shell("sleep", "600")
    portal.office.call(world.delete_service, lab)
    portal.office.call(world.reap)
    for session in (requested, uid):
        over = portal.office.call(world.row, session)
        assert "access_revoked" in (over["end_reason"], over["end_requested"])
    assert (await terminal.frame("ended"))["reason"] == "access_revoked"
    assert await terminal.closed() == 4403

    async def gone() -> bool:
        return not processes_of(uid)

    await eventually(gone)


async def test_a_requested_session_without_access_cannot_be_begun_and_is_reaped(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    session = await sign_in(lab).open()
    portal.office.call(world.revoke_grant, lab)
    portal.office.call(world.reap)
    row = portal.office.call(world.row, session["uid"])
    assert (row["state"], row["end_reason"]) == ("failed", "access_revoked")


async def test_a_superuser_without_membership_opens_and_sees_nothing(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "root")
    uid, _ = await sign_in(lab).shell("cat")
    root = sign_in(lab, "root")
    assert (await root.post("sessions/", service=lab.service)).status_code == 404
    assert (await root.get("sessions/")).json()["count"] == 0
    for path in (f"sessions/{uid}/", f"services/{lab.service}/", f"services/{lab.service}/containers/"):
        assert (await root.get(path)).status_code == 404
    for act in ("ticket", "resize", "detach", "terminate"):
        assert (await root.post(f"sessions/{uid}/{act}/", cols=80, rows=24)).status_code == 404
