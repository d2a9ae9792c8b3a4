"""The Docker API used directly: what everything is compared with."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests

IMAGE = os.environ.get("BENCHMARK_IMAGE", "testbed/debian:1")


class Direct:
    """Execs in one container, without anything in between."""

    def __init__(self, container: str) -> None:
        self.api = docker.APIClient(base_url=os.environ["DOCKER_HOST"], version="auto")
        self.container = container

    def exec(self, argv: list[str]) -> socket.socket:
        """A program with a terminal; its raw stream."""
        created = self.api.exec_create(self.container, argv, tty=True, stdin=True)
        stream = self.api.exec_start(created["Id"], tty=True, socket=True)
        raw: socket.socket = stream._sock
        raw.settimeout(60)
        return raw


def docker_command() -> str:
    """The docker command, which finds the engine by DOCKER_HOST."""
    found = shutil.which("docker")
    if found is None:
        raise SystemExit("The docker command is not on the PATH; `exec` is compared with it.")
    return found


@contextmanager
def container() -> Iterator[str]:
    """A container that sleeps, removed afterwards."""
    api = docker.APIClient(base_url=os.environ["DOCKER_HOST"], version="auto")
    name = f"porthole-benchmark-{os.getpid()}"
    host_config = api.create_host_config(network_mode="none")
    made = api.create_container(IMAGE, name=name, command=["sleep", "infinity"], host_config=host_config)
    api.start(made["Id"])
    try:
        yield name
    finally:
        _remove(api, made["Id"])


def _remove(api: docker.APIClient, container: str) -> None:
    """An engine under load can miss the end of a container with hundreds of processes; it is asked again."""
    for attempt in range(5):
        try:
            api.remove_container(container, force=True)
            return
        except (docker.errors.APIError, requests.exceptions.Timeout):
            time.sleep(1 + attempt)
