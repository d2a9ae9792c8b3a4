"""`porthole exec`: three streams apart, byte for byte, and the program's exit code."""

import hashlib
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, Command, until
from tests.cli.conftest import Account, AddService, Network
from tests.integration.places import Place

BULK = 48 * 1024 * 1024
PLAIN = 100 * 1024 * 1024
"""Bytes of memory that the command may take, whatever goes through it: mostly Python itself."""


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def test_output_and_errors_come_apart_and_the_exit_code_is_the_programs(porthole: Command) -> None:
    done = porthole.run("exec", "shell", "-n", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert (done.code, done.out, done.err) == (5, "out\n", "err\n")


def test_a_program_reads_its_input_to_the_end(porthole: Command) -> None:
    done = porthole.run("exec", "playground/shell", "--", "wc", "-c", typed="x" * 300_000)
    assert (done.code, done.out.strip()) == (0, "300000")
    assert porthole.run("exec", "shell", "--", "wc", "-c").out.strip() == "0"
    assert porthole.run("exec", "shell", "-n", "--", "wc", "-c", typed="unread").out.strip() == "0"


def test_every_byte_goes_through_unchanged_from_a_file_and_from_a_pipe(porthole: Command, tmp_path: Path) -> None:
    data = bytes(range(256)) + some_bytes(2_000_000)
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as file:
        from_file = subprocess.run(
            [sys.executable, *COMMAND, "exec", "shell", "--", "cat"], env=porthole.environment, stdin=file,
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
    assert from_file.stdout == data
    from_pipe = subprocess.run(
        [sys.executable, *COMMAND, "exec", "shell", "--", "cat"], env=porthole.environment, input=data,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert from_pipe.stdout == data


def test_much_output_takes_no_more_memory_than_little(porthole: Command) -> None:
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "exec", "shell", "-n", "--", "head", "-c", str(BULK), "/dev/zero"],
        env=porthole.environment, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    received, most = 0, 0
    while piece := process.stdout.read(1 << 20):
        received += len(piece)
        most = memory_of(process.pid) or most
    assert (process.wait(30), received) == (0, BULK)
    assert 0 < most < PLAIN


def memory_of(pid: int) -> int:
    """The most memory that a process had at a time, 0 if it is over."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def test_a_lost_connection_costs_no_byte_in_either_direction(porthole: Command, network: Network) -> None:
    data = some_bytes(6_000_000)
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "exec", "shell", "--", "cat"], env=porthole.environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    writing = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))  # type: ignore[union-attr]
    writing.start()
    received = b""
    for mark in (1_000_000, 3_000_000):
        while len(received) < mark:
            received += process.stdout.read1(1 << 16)  # type: ignore[attr-defined]
        network.cut()
    received += process.stdout.read()
    writing.join()
    assert process.wait(30) == 0
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
    assert process.stderr is not None
    assert process.stderr.read().count(b"porthole: Connected again.") == 2


def test_ctrl_c_ends_the_program_and_not_only_the_view_of_it(porthole: Command, developer: Account) -> None:
    before = developer.live()
    screen = porthole.starts("exec", "shell", "--", "sh", "-c", "echo begun; exec sleep 600")
    screen.sees("begun")
    (uid,) = set(developer.live()) - set(before)
    screen.gets(signal.SIGINT)
    assert screen.ends() == -signal.SIGINT
    assert developer.over(uid)["end_reason"] == "closed_by_user"


def test_a_program_whose_output_nobody_reads_any_more_is_ended(porthole: Command, developer: Account) -> None:
    before = developer.live()
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "exec", "shell", "-n", "--", "yes"], env=porthole.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(4) == b"y\ny\n"
    process.stdout.close()
    assert process.wait(30) == 141
    until(lambda: set(developer.live()) <= set(before), "nothing of it runs any more")


def test_a_program_that_is_not_there_is_said(porthole: Command) -> None:
    done = porthole.run("exec", "shell", "-n", "--", "no-such-program")
    assert done.code == 76
    assert "porthole: The session ended: There is no program" in done.err


@pytest.mark.docker
def test_a_program_in_a_docker_container(porthole: Command, add_service: AddService, container: Place) -> None:
    _through(porthole, add_service("docker"))


@pytest.mark.kubernetes
def test_a_program_in_a_pod(porthole: Command, add_service: AddService, pod: Place) -> None:
    _through(porthole, add_service("kubernetes"), "--pod", pod.name, "--container", "main")


def _through(porthole: Command, name: str, *options: str) -> None:
    data = "".join(f"line {number}\n" for number in range(20_000))
    done = porthole.run("exec", name, *options, "--", "sh", "-c", "cat; echo err >&2; exit 4", typed=data)
    assert (done.code, done.out == data, done.err) == (4, True, "err\n")
