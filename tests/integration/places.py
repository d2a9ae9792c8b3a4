"""Real containers for a test: made with the engine's own tools, looked into past the portal, removed at the end."""

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import docker

DEBIAN = "testbed/debian:1"
BUSYBOX = "testbed/busybox:1"

# The state and name of every process, by the shell's own means: it starts nothing that would be found itself.
_PROCESSES = "cd /proc; for p in [0-9]*; do [ $p = $$ ] || { read -r line <$p/stat && echo $line; }; done 2>/dev/null"


@dataclass(frozen=True)
class Found:
    """A process that runs in a container."""

    pid: int
    name: str


def _running(listing: str) -> list[Found]:
    """All but the container's own first process. What is dead and waits for a parent to notice does not run."""
    found = []
    for line in listing.splitlines():
        pid, _, rest = line.partition(" (")
        name, _, fields = rest.rpartition(") ")
        if pid != "1" and fields[:1] not in ("Z", "X"):
            found.append(Found(int(pid), name))
    return found


@dataclass
class Place:
    """One container, and how the portal names it."""

    kind: str
    name: str
    target: dict[str, Any]
    """What `POST sessions/` takes to choose it."""
    execute: Callable[[str], str] = field(repr=False)
    """Runs a shell command in it, past the portal."""

    @property
    def running(self) -> list[Found]:
        """The processes in it, without its first one."""
        return _running(self.execute(_PROCESSES))


class DockerEngine:
    """Containers on the test bed's engine."""

    def __init__(self, host: str, prefix: str) -> None:
        self.client = docker.DockerClient(base_url=host, timeout=120)
        self.prefix = prefix
        self._numbers = count(1)

    def start(self, image: str = DEBIAN, **options: Any) -> Place:
        """A container that waits, without a network."""
        name = f"{self.prefix}-{next(self._numbers)}"
        container = self.client.containers.run(
            image, ["sleep", "infinity"], name=name, detach=True, network_mode="none", **options
        )

        def execute(command: str) -> str:
            output = container.exec_run(["sh", "-c", command]).output
            assert isinstance(output, bytes)
            return output.decode()

        return Place("docker", name, {"container_name": name}, execute)

    def get(self, place: Place) -> Any:
        return self.client.containers.get(place.name)

    def remove(self, place: Place) -> None:
        """Remove it if it is there."""
        for container in self.client.containers.list(all=True, filters={"name": f"^{place.name}$"}):
            container.remove(force=True)

    def close(self) -> None:
        """Remove all."""
        for container in self.client.containers.list(all=True, filters={"name": f"^{self.prefix}-"}):
            container.remove(force=True)
        self.client.close()


class Cluster:
    """Pods on the test bed's cluster, in a namespace of this run's own."""

    def __init__(self, kubectl: str, kubeconfig: str, namespace: str) -> None:
        self._kubectl = [kubectl, "--kubeconfig", kubeconfig]
        self.namespace = namespace
        self._numbers = count(1)
        self.call("create", "namespace", namespace)

    def call(self, *arguments: str, text: str = "") -> str:
        """Run kubectl."""
        done = subprocess.run(
            [*self._kubectl, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, image: str = DEBIAN) -> Place:
        """A pod with one container that waits."""
        name = f"pod-{next(self._numbers)}"
        container = {
            "name": "main", "image": image, "imagePullPolicy": "Never", "command": ["sleep", "infinity"],
        }  # fmt: skip
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "containers": [container],
                "hostNetwork": True,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
            },
        }
        self.call("apply", "-f", "-", text=json.dumps(pod))
        self.call("-n", self.namespace, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")

        def execute(command: str) -> str:
            return self.call("-n", self.namespace, "exec", name, "-c", "main", "--", "sh", "-c", command)

        return Place("kubernetes", name, {"pod_name": name, "container_name": "main"}, execute)

    def delete(self, place: Place) -> None:
        """Delete a pod, at once."""
        self.call("-n", self.namespace, "delete", "pod", place.name, "--wait=false", "--grace-period=0", "--force")

    def close(self) -> None:
        """Delete the namespace and all in it."""
        self.call("delete", "namespace", self.namespace, "--wait=false")


def marked(uid: str) -> list[int]:
    """The processes of this machine that carry a session's mark: the local provider's, and those of containers here."""
    mark = f"PORTHOLE_SESSION_ID={uid}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
