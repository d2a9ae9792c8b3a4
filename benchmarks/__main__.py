"""`python -m benchmarks`: the portal against the Docker API used directly, as a table of ratios within one run.

It needs a Docker Engine (DOCKER_HOST) with an image that has bash (BENCHMARK_IMAGE); `scripts/benchmark` brings both.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import command, consoles, measure, pipes, screens
from benchmarks.client import Portal
from benchmarks.engine import Direct, container
from benchmarks.server import PASSWORD, portal

OTHERS = 50
SERVERS = ("daphne", "uvicorn")
PARTS = ("exec", "screens", "consoles", "command")


class Row(NamedTuple):
    """One line of the table."""

    what: str
    direct: str
    portal: str
    difference: str
    target: str


def run(server: str, *, only: str = "") -> Iterator[Row]:
    """Rows of the table for one ASGI server; `only` those of a part."""
    with (
        container() as name,
        tempfile.TemporaryDirectory() as folder,
        portal(Path(folder), name, server) as (port, pid),
    ):
        direct, client = Direct(name), Portal(port, "bench", PASSWORD)
        service = client.service("bench")
        parts = {
            "exec": lambda: _pipe_rows(name, client, service, pid),
            "screens": lambda: _attach_rows(screens.attach(client, service, pid), screens.keyframe()),
            "consoles": lambda: _console_rows(Path(folder), port, client, service),
            "command": lambda: _command_rows(Path(folder), name, client),
        }
        if only:
            yield from parts[only]()
            return
        memory = measure.idle_memory(client, service, pid)
        yield Row("memory of one idle session", "", f"{memory:.0f} KiB", "", "≤ 200 KiB")

        plain, through = measure.first_prompt(direct, client, service)
        more = through.at(0.5) - plain.at(0.5)
        yield Row(
            "first prompt, p50", f"{plain.at(0.5):.0f} ms", f"{through.at(0.5):.0f} ms", f"+{more:.0f} ms", "≤ +60 ms"
        )

        yield from _echo_rows("echo of one key", *measure.echo(direct, client, service))
        with measure.busy(port, OTHERS):
            yield from _echo_rows(f"echo, {OTHERS} others busy", *measure.echo(direct, client, service))

        plain_speed, through_speed = measure.bulk(direct, client, service)
        ratio = f"{through_speed / plain_speed:.2f} x"
        yield Row("100 MiB of output", f"{plain_speed:.0f} MB/s", f"{through_speed:.0f} MB/s", ratio, "≥ 0.9 x")
        for part in parts.values():
            yield from part()


def _console_rows(folder: Path, port: int, client: Portal, service: int) -> Iterator[Row]:
    ways = (
        ("console on Docker: first prompt", 1000, lambda: consoles.on_docker(client, service)),
        ("console on Kubernetes: first prompt", 2000, lambda: consoles.on_kubernetes(folder, port, client)),
    )
    for what, most, measured in ways:
        if (times := measured()) is not None:
            plain, through = (each.at(0.5) for each in times)
            difference = f"{through - plain:+.0f} ms"
            yield Row(f"{what}, p50", f"{plain:.0f} ms", f"{through:.0f} ms", difference, f"≤ +{most} ms")


def _pipe_rows(container: str, client: Portal, service: int, pid: int) -> Iterator[Row]:
    rounds = [(pipes.plainly(container), *pipes.through(client, service, pid)) for _ in range(pipes.ROUNDS)]
    plain, through = max(each[0] for each in rounds), max(each[1] for each in rounds)
    what = "1 GB through `exec … cat`"
    yield Row(what, f"{plain:.0f} MB/s", f"{through:.0f} MB/s", f"{through / plain:.2f} x", "≥ 0.25 x")
    growth = max(each[2] for each in rounds)
    yield Row(f"{what}, the portal's memory", "", f"+{growth:.0f} MiB", "", "flat")


def _attach_rows(attached: screens.Attached, keyframe: screens.Keyframe) -> Iterator[Row]:
    what = f"attach a new window, {screens.DETACHED} detached"
    yield Row(f"{what}, p50", "", f"{attached.socket.at(0.5):.0f} ms", "", "")
    yield Row(f"{what}, p95", "", f"{attached.socket.at(0.95):.0f} ms", "", "< 50 ms")
    yield Row(f"{what}, with its ticket, p95", "", f"{attached.with_ticket.at(0.95):.0f} ms", "", "")
    yield Row("memory kept of a window that attached and left", "", f"{attached.growth:.0f} KiB", "", "")
    yield Row(
        "a keyframe of 256 KiB of output, p50", "", f"{keyframe.took.at(0.5):.0f} ms", f"{keyframe.size:.0f} KiB", ""
    )


def _command_rows(folder: Path, container: str, client: Portal) -> Iterator[Row]:
    porthole = command.Command(folder, client)
    plain, through = (times.at(0.5) for times in command.first_prompt(porthole, container, "bench/bench"))
    what = "`docker exec -it`, `porthole shell`: prompt, p50"
    yield Row(what, f"{plain:.0f} ms", f"{through:.0f} ms", f"+{through - plain:.0f} ms", "≤ +250 ms")
    rounds = [(pipes.plainly(container), *command.gigabyte(porthole, "bench/bench")) for _ in range(pipes.ROUNDS)]
    direct, ours, memory = (max(each[number] for each in rounds) for number in range(3))
    what = "1 GB through `porthole exec … cat`"
    yield Row(what, f"{direct:.0f} MB/s", f"{ours:.0f} MB/s", f"{ours / direct:.2f} x", "≥ 0.25 x")
    yield Row(f"{what}, the command's memory", "", f"{memory:.0f} MiB", "", "flat")


def _echo_rows(what: str, plain: measure.Times, through: measure.Times) -> Iterator[Row]:
    more = through.at(0.5) - plain.at(0.5)
    yield Row(f"{what}, p50", f"{plain.at(0.5):.2f} ms", f"{through.at(0.5):.2f} ms", f"+{more:.2f} ms", "≤ +0.35 ms")
    yield Row(f"{what}, p99", f"{plain.at(0.99):.2f} ms", f"{through.at(0.99):.2f} ms", "", "< 3 ms")


def main() -> None:
    servers = [word for word in sys.argv[1:] if word in SERVERS] or SERVERS
    only = next((word for word in sys.argv[1:] if word in PARTS), "")
    print("| measured | server | direct | portal | difference | target |")
    print("| --- | --- | --- | --- | --- | --- |")
    for server in servers:
        for what, *cells in run(server, only=only):
            print(f"| {what} | {server} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
