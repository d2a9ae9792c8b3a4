"""A command without a terminal through the whole portal: its streams, its end, and a client that comes back."""

import asyncio
import hashlib
import json
import os

from portal.permissions import Permission
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.pipes import start, within
from tests.sessions_app.portal_process import Portal, processes_of
from tests.sessions_app.terminal import Client, eventually

MIB = 1024 * 1024
WHO = "executor"


async def test_streams_come_apart_and_the_exit_code_is_the_programs(
    each_url: str, make_lab: MakeLab, sign_in: SignIn
) -> None:
    client = sign_in(make_lab(WHO), WHO, at=each_url)
    run = await start(client, "sh", "-c", "cat; echo $PORTHOLE_SESSION_ID >&2; exit 7", given=b"all\0 of it\n")
    assert run.uid.startswith("ex-")
    ended = await within(run.run())
    assert (ended["reason"], ended["exit_code"], ended["offset"]) == ("exited", 7, run.offset)
    assert bytes(run.out["stdout"]) == b"all\0 of it\n"
    assert run.out["stderr"].decode() == f"{run.uid}\n"
    session = await client.ended(run.uid)
    assert (session["kind"], session["exit_code"], session["cols"], session["rows"]) == ("exec", 7, 80, 24)
    assert (session["bytes_in"], session["bytes_out"]) == (11, run.offset)
    assert session["cleanup"]["processes"] == []


async def test_a_program_that_is_not_there_fails_with_a_sentence(make_lab: MakeLab, sign_in: SignIn) -> None:
    run = await start(sign_in(make_lab(WHO), WHO), "no-such-thing")
    terminal = await run.client.dial(run.uid, ticket=run.session["ticket"])
    await terminal.send(type="hello")
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["code"]) == ("provider_error", "no_shell")
    assert "There is no program “no-such-thing”" in ended["detail"]


async def test_a_lost_connection_costs_no_byte_either_way(portal: Portal, make_lab: MakeLab, sign_in: SignIn) -> None:
    """In turn through the process that owns the session and one that relays to it."""
    data = os.urandom(16 * MIB)
    client = sign_in(make_lab(WHO), WHO)
    run = await start(client, "sh", "-c", "head -c 1000 >&2; cat", given=data)
    urls = (portal.web["daphne"].url, portal.web["uvicorn"].url)
    ended = await within(run.run(drop_at=(1, 700_000, 5 * MIB), urls=urls), 60)
    assert (ended["exit_code"], run.sockets) == (0, 4)
    assert bytes(run.out["stderr"]) == data[:1000]
    assert hashlib.sha256(run.out["stdout"]).digest() == hashlib.sha256(data[1000:]).digest()


async def test_who_comes_back_after_the_end_gets_all_that_is_missing(make_lab: MakeLab, sign_in: SignIn) -> None:
    client = sign_in(make_lab(WHO), WHO)
    lines = "i=0; while [ $i -lt 300 ]; do echo $i; echo -$i >&2; i=$((i+1)); done"
    run = await start(client, "sh", "-c", f"echo go; sleep 0.3; {lines}; head -c {5 * MIB} /dev/zero; exit 3")
    lost = asyncio.create_task(run.run(drop_at=(1,)))
    await eventually(_is_detached_or_over, client, run.uid)
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    run.session["ticket"] = await client.ticket(run.uid)
    await client.ended(run.uid)
    run.ended = {}
    ended = await within(run.run())
    assert (ended["reason"], ended["exit_code"], ended["offset"]) == ("exited", 3, run.offset)
    assert run.out["stderr"].decode() == "".join(f"-{number}\n" for number in range(300))
    head = "go\n" + "".join(f"{number}\n" for number in range(300))
    assert bytes(run.out["stdout"]) == head.encode() + bytes(5 * MIB)


async def _is_detached_or_over(client: Client, uid: str) -> bool:
    return (await client.session(uid))["state"] in ("detached", "stopped")


async def test_a_program_that_reads_nothing_holds_its_client_back(make_lab: MakeLab, sign_in: SignIn) -> None:
    run = await start(sign_in(make_lab(WHO), WHO), "sh", "-c", "sleep 1; wc -c", given=bytes(3 * MIB))
    assert (await within(run.run()))["exit_code"] == 0
    assert bytes(run.out["stdout"]) == b"%d\n" % (3 * MIB)
    assert run.sockets == 1


async def test_output_waits_for_a_client_that_does_not_take_it(make_lab: MakeLab, sign_in: SignIn) -> None:
    run = await start(sign_in(make_lab(WHO), WHO), "sh", "-c", f"head -c {20 * MIB} /dev/zero; echo x >&2")
    terminal = await run.client.dial(run.uid, ticket=run.session["ticket"])
    terminal.acks = False
    await terminal.send(type="hello", offset=0)
    while len(terminal.output) < MIB:
        await terminal.step()
    await asyncio.sleep(0.5)
    assert (await run.client.session(run.uid))["state"] == "active", "the program waits, too"
    assert len(terminal.output) == MIB
    terminal.acks = True
    await terminal.send(type="ack", offset=MIB)
    while not any(frame["type"] == "ended" for frame in terminal.frames):
        await terminal.step()
    assert len(terminal.output) == 20 * MIB + 2


async def test_an_end_of_input_is_for_pipes_and_is_the_last_of_it(make_lab: MakeLab, sign_in: SignIn) -> None:
    client = sign_in(make_lab("owner"), "owner")
    _, shell = await client.shell("cat")
    await shell.send(type="eof")
    assert "Ctrl-D" in (await shell.frame("error"))["detail"]
    assert await shell.closed() == 4400
    run = await start(client, "sh", "-c", "cat; sleep 100")
    pipes = await client.attach(run.uid, ticket=run.session["ticket"])
    await pipes.send(type="eof")
    await pipes.send(type="eof")
    await pipes.type(b"more")
    assert await pipes.closed() == 4400
    await client.post(f"sessions/{run.uid}/terminate/")


async def test_it_takes_the_permission_exec_and_no_other(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab(WHO, "developer")
    wanted = {"service": lab.service, "kind": "exec", "command": ["true"]}
    assert (await sign_in(lab).post("sessions/", **wanted)).status_code == 403
    executor = sign_in(lab, WHO)
    assert (await executor.post("sessions/", service=lab.service)).status_code == 403
    assert (await executor.post("sessions/", **wanted)).status_code == 201


async def test_a_token_needs_the_scope_exec(portal: Portal, make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("owner")
    wanted = {"service": lab.service, "kind": "exec", "command": ["true"]}
    for scope, status in ((Permission.SHELL, 403), (Permission.EXEC, 201)):
        _, token = portal.office.call(world.api_token, lab, scope, who="owner")
        assert (await sign_in(lab, "owner", login=token).post("sessions/", **wanted)).status_code == status


async def test_what_it_left_running_is_ended_and_reported(make_lab: MakeLab, sign_in: SignIn) -> None:
    client = sign_in(make_lab(WHO), WHO)
    run = await start(client, "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo started")
    assert (await within(run.run()))["exit_code"] == 0
    session = await client.ended(run.uid)
    assert [process["command"] for process in session["cleanup"]["processes"]] == ["sleep 1000"]
    assert not processes_of(run.uid)


async def test_stdin_is_on_record_only_where_the_organization_says_so(
    portal: Portal, make_lab: MakeLab, sign_in: SignIn
) -> None:
    for record in (False, True):
        lab = make_lab(WHO)
        portal.office.call(world.set_input_recording, lab, record=record)
        client = sign_in(lab, WHO)
        run = await start(client, "sh", "-c", "wc -l; echo oops >&2", given=b"drop table x;\n")
        await within(run.run())
        await client.ended(run.uid)
        cast = (await client.get(f"sessions/{run.uid}/recording.cast")).text
        events = [json.loads(line) for line in cast.splitlines()[1:]]
        assert [text for _, code, text in events if code == "i"] == (["drop table x;\n"] if record else [])
        assert "".join(sorted(text for _, code, text in events if code == "o")) in ("1\r\noops\r\n", "oops\r\n1\r\n")
        transcript = (await client.get(f"sessions/{run.uid}/transcript.txt")).text
        assert sorted(transcript.splitlines()) == ["1", "oops"]
