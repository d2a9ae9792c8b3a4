"""Services for the consoles' tests, on real engines, and the consoles there as the engines' own tools see them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from docker.errors import NotFound

from sessions_app.backends.base import Backend, Container
from sessions_app.backends.consoles import ConsoleRequest, name_of
from tests.sessions_app.backends.places import RUN, DockerPlace, KubernetesPlace, new_uid, pod_spec

INSTALLATION = f"tests-{RUN}"
MEGABYTE = 1024**2
MEMORY, MILLICPUS = 256 * MEGABYTE, 250


class ConsolePlace(ABC):
    """A service with something in its environment, and what becomes of its consoles."""

    def __init__(self, place: DockerPlace | KubernetesPlace, like: Container) -> None:
        self.place, self.like = place, like
        self.uids: list[str] = []

    def backend(self) -> Backend:
        return self.place.backend()

    def request(self, **wanted: Any) -> ConsoleRequest:
        """A console of a session of its own."""
        fields: dict[str, Any] = {
            "session_uid": new_uid(), "installation": INSTALLATION, "service": "web", "like": self.like,
            "memory": MEMORY, "millicpus": MILLICPUS, "lifetime": 300, **wanted,
        }  # fmt: skip
        self.uids.append(fields["session_uid"])
        return ConsoleRequest(**fields)

    @property
    def namespace(self) -> str:
        return self.like.namespace

    @abstractmethod
    def described(self, session_uid: str) -> dict[str, Any] | None:
        """What the engine says of a console; None where there is none."""

    @abstractmethod
    def runs(self, session_uid: str) -> bool:
        """Whether anything of a console runs."""

    @abstractmethod
    def power(self, described: dict[str, Any]) -> tuple[int, int]:
        """Bytes of memory and thousandths of a CPU that it may use."""

    @abstractmethod
    def close(self) -> None:
        """Remove everything."""


class DockerConsolePlace(ConsolePlace):
    """A container as compose makes one: labels, a volume, a published name, a health check."""

    def __init__(self, place: DockerPlace) -> None:
        self.volume = place.engine.volumes.create(f"consoles-{RUN}")
        labels = {"com.docker.compose.project": f"p{RUN}", "com.docker.compose.service": "web"}
        like = place.new_container(
            "debian", entrypoint=["sleep", "infinity"], environment={"GREETING": "hello there"}, working_dir="/srv",
            volumes={self.volume.name: {"bind": "/data", "mode": "rw"}}, labels=labels, cap_drop=["NET_RAW"],
            user="1000:1000", tmpfs={"/scratch": "size=1m"}, healthcheck={"test": ["CMD", "true"]},
        )  # fmt: skip
        super().__init__(place, like)
        place.engine.containers.get(like.id).exec_run(["sh", "-c", "echo kept >/data/file"], user="root")
        self._engine = place.engine

    def described(self, session_uid: str) -> dict[str, Any] | None:
        try:
            return dict(self._engine.api.inspect_container(name_of(session_uid)))
        except NotFound:
            return None

    def runs(self, session_uid: str) -> bool:
        described = self.described(session_uid)
        return described is not None and bool(described["State"]["Running"])

    def power(self, described: dict[str, Any]) -> tuple[int, int]:
        return described["HostConfig"]["Memory"], described["HostConfig"]["NanoCpus"] // 1_000_000

    def close(self) -> None:
        for uid in self.uids:
            with suppress(NotFound):
                self._engine.api.remove_container(name_of(uid), force=True)
        self.place.remove(self.like)
        self.volume.remove(force=True)


class KubernetesConsolePlace(ConsolePlace):
    """A deployment with probes, an init container and a side container."""

    def __init__(self, place: KubernetesPlace) -> None:
        self._place = place
        place.kubectl("-n", place.namespace, "create", "configmap", "settings", "--from-literal=GREETING=hello there")
        place.kubectl("-n", place.namespace, "create", "configmap", "files", "--from-literal=file=kept")
        place.apply(deployment())
        place.kubectl("-n", place.namespace, "wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
        pods = json.loads(place.kubectl("-n", place.namespace, "get", "pods", "-l", "app=web", "-o", "json"))
        pod = pods["items"][0]["metadata"]["name"]
        super().__init__(place, Container("main", pod, place.namespace, deployment_name="web"))

    def described(self, session_uid: str) -> dict[str, Any] | None:
        name = name_of(session_uid)
        text = self._place.kubectl("-n", self.namespace, "get", "pod", name, "--ignore-not-found", "-o", "json")
        return dict(json.loads(text)) if text.strip() else None

    def runs(self, session_uid: str) -> bool:
        described = self.described(session_uid)
        return described is not None and described["status"]["phase"] in ("Pending", "Running")

    def power(self, described: dict[str, Any]) -> tuple[int, int]:
        limits = described["spec"]["containers"][0]["resources"]["limits"]
        return int(limits["memory"]), int(limits["cpu"].removesuffix("m"))

    def close(self) -> None:
        """The namespace goes with its place."""


def deployment() -> dict[str, Any]:
    """As the test bed can run one: its containers share the node's network."""
    spec = pod_spec("debian")
    main = spec["containers"][0] | {
        "command": ["sleep", "infinity"],
        "workingDir": "/srv",
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumeMounts": [{"name": "files", "mountPath": "/data"}],
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "capabilities": {"drop": ["NET_RAW"]}},
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        "livenessProbe": {"exec": {"command": ["true"]}},
    }
    side = {"name": "side", "image": "testbed/busybox:1", "imagePullPolicy": "Never", "command": ["sleep", "infinity"]}
    first = {"name": "first", "image": "testbed/busybox:1", "imagePullPolicy": "Never", "command": ["true"]}
    volumes = [{"name": "files", "configMap": {"name": "files"}}]
    template = spec | {"containers": [main, side], "initContainers": [first], "volumes": volumes}
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": {"example/injected": "yes"}}, "spec": template},
        },
    }  # fmt: skip


def emptied(place: ConsolePlace) -> Iterator[ConsolePlace]:
    """For a fixture: the place, emptied at the end."""
    yield place
    place.close()
