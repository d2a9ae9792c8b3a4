"""Real places for the backends' tests: containers and pods that a test run makes, looks into and removes by itself.

They look into a container with the engines' own tools and never with the code under test.
"""

import json
import os
import subprocess
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from sessions_app.backends import open_backend
from sessions_app.backends.base import Backend, Container
from sessions_app.backends.kubernetes_access import ClusterAccess, read_access

RUN = uuid.uuid4().hex[:8]


class Place(ABC):
    """One provider, seen from outside."""

    @abstractmethod
    def backend(self) -> Backend:
        """A fresh backend on the running loop."""

    @abstractmethod
    def container(self, image: str) -> Container:
        """A running container of `testbed/IMAGE:1`, shared by the tests of a run."""

    @abstractmethod
    def new_container(self, image: str) -> Container:
        """One of a test's own."""

    @abstractmethod
    def run(self, container: Container, *argv: str) -> str:
        """Run a program in the container and return what it prints."""

    @abstractmethod
    def remove(self, container: Container) -> None:
        """Kill and remove it."""

    @abstractmethod
    def close(self) -> None:
        """Remove everything."""

    def states(self, container: Container) -> list[str]:
        """What runs in the container: each process' state, a space and its command line; zombies left out."""
        lines = self.run(container, "ps", "-e", "-o", "stat,args").splitlines()[1:]
        parts = [line.strip().partition(" ") for line in lines if not line.strip().startswith("Z")]
        return [f"{state} {command.strip()}" for state, _, command in parts]

    def commands(self, container: Container) -> list[str]:
        """The command lines of what runs in the container."""
        return [line.partition(" ")[2] for line in self.states(container)]

    def runs(self, container: Container, command: str) -> bool:
        """Whether a process of exactly that command line runs in the container."""
        return command in self.commands(container)


class DockerPlace(Place):
    """A Docker Engine."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.engine = docker.DockerClient(host)
        self._shared: dict[str, Container] = {}
        self._made: list[str] = []

    def backend(self) -> Backend:
        return open_backend("docker", {"host": self.host}, {})

    def container(self, image: str) -> Container:
        if image not in self._shared:
            self._shared[image] = self.new_container(image)
        return self._shared[image]

    def new_container(self, image: str, **options: Any) -> Container:
        name = f"backends-{RUN}-{len(self._made)}-{image}"
        started = self.engine.containers.run(
            f"testbed/{image}:1", detach=True, network_mode="none", name=name, **options
        )
        self._made.append(str(started.id))
        return Container(container_name=name, id=str(started.id))

    def run(self, container: Container, *argv: str) -> str:
        return str(self.engine.containers.get(container.id).exec_run(list(argv)).output.decode())

    def remove(self, container: Container) -> None:
        self.engine.containers.get(container.id).remove(force=True)

    def close(self) -> None:
        for container_id in self._made:
            try:
                self.engine.containers.get(container_id).remove(force=True)
            except NotFound:
                continue
        self.engine.close()


class KubernetesPlace(Place):
    """A cluster, in a namespace of this run's own."""

    def __init__(self, kubeconfig: str, kubectl: str) -> None:
        self.kubeconfig = Path(kubeconfig).read_text()
        self.namespace = f"backends-{RUN}"
        self._kubectl = [kubectl, "--kubeconfig", kubeconfig]
        self._shared: dict[str, Container] = {}
        self._count = 0
        self.kubectl("create", "namespace", self.namespace)

    def access(self) -> ClusterAccess:
        """The administrator's way to the cluster."""
        return read_access({}, {"kubeconfig": self.kubeconfig})

    def kubectl(self, *arguments: str, given: object = None) -> str:
        """Run kubectl; `given` goes to its stdin as JSON."""
        text = json.dumps(given) if given is not None else None
        done = subprocess.run([*self._kubectl, *arguments], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kubectl_command(self, *arguments: str) -> list[str]:
        """kubectl in this run's namespace."""
        return [*self._kubectl, "-n", self.namespace, *arguments]

    @property
    def server(self) -> str:
        """The API server's address."""
        return self.access().server

    def stop_container(self, container_id: str) -> None:
        """Stop a container behind the cluster's back, on the node's own engine; its kubelet starts another."""
        with closing(docker.DockerClient(os.environ["TESTBED_DOCKER_HOST"])) as engine:
            engine.containers.get(container_id).kill()

    def backend(self) -> Backend:
        return open_backend("kubernetes", {}, {"kubeconfig": self.kubeconfig})

    def container(self, image: str) -> Container:
        if image not in self._shared:
            self._shared[image] = self.new_container(image)
        return self._shared[image]

    def new_container(self, image: str) -> Container:
        self._count += 1
        name = f"pod-{self._count}-{image}"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"image": image}}}
        self.apply({**pod, "spec": pod_spec(image)})
        self.kubectl("-n", self.namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        return Container(container_name="main", pod_name=name, namespace=self.namespace)

    def apply(self, manifest: Mapping[str, Any], namespace: str = "") -> None:
        """Create or change an object."""
        self.kubectl("-n", namespace or self.namespace, "apply", "-f", "-", given=manifest)

    def run(self, container: Container, *argv: str) -> str:
        command = [*self._kubectl, "-n", self.namespace, "exec", container.pod_name, "-c", "main", "--", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def remove(self, container: Container) -> None:
        self.kubectl("-n", self.namespace, "delete", "pod", container.pod_name, "--grace-period=0", "--force")

    def close(self) -> None:
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")


class LocalPlace(Place):
    """This machine."""

    def backend(self) -> Backend:
        return open_backend("local", {}, {})

    def container(self, image: str) -> Container:
        return Container(container_name="local", id="local")

    def new_container(self, image: str) -> Container:
        return self.container(image)

    def run(self, container: Container, *argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def remove(self, container: Container) -> None:
        raise NotImplementedError("this machine stays")

    def close(self) -> None:
        """Nothing was made."""


def pod_spec(image: str) -> dict[str, Any]:
    """A pod that the test bed can run: it has no registry and no bridge."""
    container = {"name": "main", "image": f"testbed/{image}:1", "imagePullPolicy": "Never"}
    return {
        "hostNetwork": True,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }


def new_uid() -> str:
    """A session's uid that no other test uses."""
    return f"ws-{uuid.uuid4().hex[:26]}"


def unique_sleep() -> str:
    """A command that does nothing for days and is found by its number."""
    return f"sleep {1_000_000 + int.from_bytes(os.urandom(4), 'big')}"
