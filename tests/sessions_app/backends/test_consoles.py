"""Consoles on real engines: what they are made like, what they wait for, and that nothing stays."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from sessions_app.backends import open_backend
from sessions_app.backends.base import (
    Backend,
    BackendError,
    CommandNotFound,
    Container,
    ExecRequest,
    ProviderUnreachable,
    Selector,
)
from sessions_app.backends.consoles import (
    ConsoleNotStarted,
    ConsoleRequest,
    ImageUnavailable,
    NoConsoles,
    Removal,
    retagged,
)
from sessions_app.backends.docker_consoles import DockerConsoles
from sessions_app.backends.docker_engine import Address, Engine
from tests.sessions_app.backends.conftest import DOCKER, KUBERNETES
from tests.sessions_app.backends.console_places import (
    INSTALLATION,
    MEMORY,
    MILLICPUS,
    ConsolePlace,
    DockerConsolePlace,
    KubernetesConsolePlace,
    emptied,
)
from tests.sessions_app.backends.places import DockerPlace, KubernetesPlace, LocalPlace, pod_spec
from tests.sessions_app.backends.small_registry import Image, registry
from tests.sessions_app.backends.terminal import Terminal, eventually

DEPLOY = Path(__file__).parents[3] / "deploy" / "kubernetes"


@pytest.fixture(scope="module")
def docker_consoles(docker_place: DockerPlace) -> Iterator[ConsolePlace]:
    yield from emptied(DockerConsolePlace(docker_place))


@pytest.fixture(scope="module")
def kubernetes_consoles(kubernetes_place: KubernetesPlace) -> Iterator[ConsolePlace]:
    yield from emptied(KubernetesConsolePlace(kubernetes_place))


@pytest.fixture(params=[DOCKER, KUBERNETES])
def at(request: pytest.FixtureRequest) -> ConsolePlace:
    found: ConsolePlace = request.getfixturevalue(f"{request.param}_consoles")
    return found


@pytest.fixture
async def backend(at: ConsolePlace) -> AsyncIterator[Backend]:
    backend = at.backend()
    yield backend
    await backend.close()


def nobody(_detail: str) -> None:
    """Is told and says nothing."""


async def shell(backend: Backend, request: ConsoleRequest, container: Container, *argv: str) -> str:
    """What a program of the console prints, to its end."""
    terminal = Terminal()
    stream = await backend.exec(ExecRequest(request.session_uid, container, argv, cols=91, rows=33), terminal)
    assert (await terminal.end())[0] == 0, terminal.seen
    await stream.close()
    return terminal.seen.decode()


async def test_a_console_has_what_the_services_container_has_and_is_none_of_them(
    at: ConsolePlace, backend: Backend
) -> None:
    request = at.request()
    consoles = await backend.consoles()
    container = await consoles.create(request, nobody)
    looks = 'echo "$GREETING"; pwd; id -u; cat /data/file; stty size; grep CapBnd /proc/self/status'
    ours = await shell(backend, request, container, "sh", "-c", looks)
    theirs = at.place.run(at.like, "sh", "-c", looks.replace("stty size", "echo 33 91"))
    assert ours.split() == theirs.split()
    assert ours.split()[:2] == ["hello", "there"]
    described = at.described(request.session_uid)
    assert described is not None
    assert at.power(described) == (MEMORY, MILLICPUS)
    for word in ("ownerReferences", "readinessProbe", "livenessProbe", "com.docker.compose", '"app": "web"', '"side"'):
        assert word not in json.dumps(described)
    assert at.like.container_name in await named(backend, at)
    assert not [name for name in await named(backend, at) if name.startswith(request.name)]


async def named(backend: Backend, at: ConsolePlace) -> set[str]:
    """The containers and pods that a service means which selects by the widest pattern there is."""
    found = await backend.containers(Selector(at.namespace, "name", "*"))
    return {name for container in found for name in (container.pod_name, container.container_name)}


async def test_everything_goes_with_a_console_also_what_is_protected(at: ConsolePlace, backend: Backend) -> None:
    request, terminal = at.request(installation=f"{INSTALLATION}-alone"), Terminal()
    consoles = await backend.consoles()
    container = await consoles.create(request, nobody)
    command = "nohup sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 & echo up; wait"
    stream = await backend.exec(ExecRequest(request.session_uid, container, ["sh", "-c", command]), terminal)
    await terminal.shows(b"up")
    assert [each.session_uid for each in await consoles.left(request.installation, [at.namespace])] == [
        request.session_uid
    ]
    assert request.session_uid not in [each.session_uid for each in await consoles.left(INSTALLATION, [at.namespace])]
    assert await consoles.left("somebody-else", [at.namespace]) == []
    assert await consoles.remove(request.session_uid, at.namespace) is Removal.REMOVED
    await terminal.end()
    await stream.close()
    await eventually(lambda: at.described(request.session_uid) is None)
    assert await consoles.remove(request.session_uid, at.namespace) is Removal.ABSENT
    assert await consoles.left(request.installation, [at.namespace]) == []


async def test_an_image_that_is_nowhere_is_told_in_words_with_what_was_waited_for(
    at: ConsolePlace, backend: Backend
) -> None:
    told: list[str] = []
    consoles = await backend.consoles()
    request = at.request(tag="there-is-none")
    with pytest.raises(ImageUnavailable, match="The image testbed/debian:there-is-none is not there: "):
        await consoles.create(request, told.append)
    assert told


async def test_an_image_without_a_shell_is_told_as_such(at: ConsolePlace, backend: Backend) -> None:
    consoles = await backend.consoles()
    request = at.request(image="testbed/noshell:1")
    with pytest.raises(CommandNotFound, match=r"testbed/noshell:1 has no shell. A console needs one"):
        await consoles.create(request, nobody)


async def test_another_image_and_user_get_the_services_environment(at: ConsolePlace, backend: Backend) -> None:
    request = at.request(image="testbed/busybox:1", user="2000")
    consoles = await backend.consoles()
    container = await consoles.create(request, nobody)
    assert container.image == "testbed/busybox:1"
    seen = await shell(backend, request, container, "sh", "-c", 'echo "$GREETING"; id -u; cat /data/file')
    assert seen.split() == ["hello", "there", "2000", "kept"]


async def test_the_engine_ends_a_console_that_no_portal_ends(at: ConsolePlace, backend: Backend) -> None:
    request = at.request(lifetime=3)
    consoles = await backend.consoles()
    with suppress(ConsoleNotStarted):  # where the machine is so slow that its time was up before it was seen to run
        await consoles.create(request, nobody)
    await eventually(lambda: not at.runs(request.session_uid), 30)


async def test_a_creation_that_is_called_off_leaves_nothing_that_is_not_found_by_its_uid(
    at: ConsolePlace, backend: Backend
) -> None:
    request, begun = at.request(), asyncio.Event()
    consoles = await backend.consoles()
    creating = asyncio.create_task(consoles.create(request, lambda _detail: begun.set()))
    await begun.wait()
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    await consoles.remove(request.session_uid, at.namespace)
    await eventually(lambda: at.described(request.session_uid) is None)


async def test_this_machine_has_no_consoles_and_says_so(local_place: LocalPlace) -> None:
    backend = local_place.backend()
    with pytest.raises(NoConsoles, match="Open a shell instead"):
        await backend.consoles()
    await backend.close()


# Docker alone


@pytest.mark.docker
async def test_an_image_that_is_not_there_is_pulled(docker_consoles: ConsolePlace) -> None:
    at, told = docker_consoles, list[str]()
    assert isinstance(at.place, DockerPlace)
    saved = b"".join(at.place.engine.images.get("testbed/busybox:1").save(named=True))
    backend = at.backend()
    consoles = await backend.consoles()
    with registry(Image(saved)) as address:
        name = f"{address}/team/tools"
        with pytest.raises(ImageUnavailable, match="has none of that name and tag"):
            await consoles.create(at.request(image=f"{name}:2"), told.append)
        request = at.request(image=f"{name}:1")
        container = await consoles.create(request, told.append)
        assert "hi" in await shell(backend, request, container, "echo", "hi")
        assert f"pulling the image {name}:1." in told
    await consoles.remove(request.session_uid, "")
    at.place.engine.images.remove(f"{name}:1", force=True)
    await backend.close()


class TardyEngine(Engine):
    """The real engine, whose answer to `start` comes later than anybody waits for it."""

    async def call(self, method: str, *args: Any, about: str = "", **kwargs: Any) -> Any:
        answer = await super().call(method, *args, about=about, **kwargs)
        if method == "start":
            raise ProviderUnreachable("The Docker Engine did not answer in time.")
        return answer


@pytest.mark.docker
async def test_a_start_that_takes_an_engine_longer_than_a_call_may_take_goes_on(docker_consoles: ConsolePlace) -> None:
    at = docker_consoles
    assert isinstance(at.place, DockerPlace)
    engine = TardyEngine(Address.parse({"host": at.place.host}, {}))
    request = at.request()
    container = await DockerConsoles(engine).create(request, nobody)
    backend = at.backend()
    assert "hi" in await shell(backend, request, container, "echo", "hi")
    await engine.close()
    await backend.close()


# Kubernetes alone


@pytest.mark.kubernetes
async def test_a_pod_that_no_node_can_take_says_why(kubernetes_consoles: ConsolePlace) -> None:
    at, told = kubernetes_consoles, list[str]()
    backend = at.backend()
    consoles = await backend.consoles()
    request = at.request(memory=1024**4)
    creating = asyncio.create_task(consoles.create(request, told.append))
    await eventually(lambda: any("Insufficient memory" in said for said in told))
    assert told[-1].startswith("no node of the cluster can take it now: ")
    creating.cancel()
    await asyncio.wait({creating})
    await backend.close()


@pytest.mark.kubernetes
async def test_a_namespace_that_has_no_room_says_so(kubernetes_consoles: ConsolePlace) -> None:
    at = kubernetes_consoles
    assert isinstance(at.place, KubernetesPlace)
    at.place.apply(
        {
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "100Mi"}}]},
        }
    )  # fmt: skip
    backend = at.backend()
    try:
        with pytest.raises(BackendError, match=r"The cluster does not admit .*maximum memory usage per Container"):
            await (await backend.consoles()).create(at.request(), nobody)
    finally:
        at.place.kubectl("-n", at.namespace, "delete", "limitrange", "small")
        await backend.close()


@pytest.mark.kubernetes
async def test_consoles_take_a_role_of_their_own_and_no_more(
    kubernetes_place: KubernetesPlace, portal_kubeconfig: str
) -> None:
    place, namespace = kubernetes_place, f"{kubernetes_place.namespace}-consoles"
    place.kubectl("create", "namespace", namespace)
    user = {"kind": "User", "name": "portal", "apiGroup": "rbac.authorization.k8s.io"}

    def apply(*files: str) -> None:
        manifests = [each for file in files for each in yaml.safe_load_all((DEPLOY / file).read_text())]
        for manifest in manifests:
            bound = {"subjects": [user]} if manifest["kind"] == "RoleBinding" else {}
            place.apply(manifest | bound, namespace)

    try:
        apply("role.yaml", "role-binding.yaml")
        pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
        place.apply({**pod, "spec": pod_spec("debian")}, namespace)
        backend = open_backend("kubernetes", {}, {"kubeconfig": Path(portal_kubeconfig).read_text()})
        consoles = await backend.consoles()
        like = Container("main", "one", namespace)
        request = ConsoleRequest("ws-" + "0" * 26, INSTALLATION, "web", like, MEMORY, MILLICPUS, 300)
        with pytest.raises(BackendError, match=r"“portal” create pods .* Apply the Role for consoles of deploy"):
            await consoles.create(request, nobody)
        apply("role-consoles.yaml")
        container = await consoles.create(request, nobody)
        assert "hi" in await shell(backend, request, container, "echo", "hi")
        found = await consoles.left(INSTALLATION, ["kube-system", namespace])
        assert [each.session_uid for each in found] == [request.session_uid], "one namespace that is closed hides none"
        assert await consoles.remove(request.session_uid, namespace) is Removal.REMOVED
        await backend.close()
    finally:
        place.kubectl("delete", "namespace", namespace, "--wait=false")


# Names


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("web", "web:2"),
        ("web:1", "web:2"),
        ("registry.example:5000/team/web", "registry.example:5000/team/web:2"),
        ("registry.example:5000/team/web:1@sha256:" + "a" * 64, "registry.example:5000/team/web:2"),
    ],
)
def test_another_tag_replaces_tag_and_digest_and_no_port(image: str, expected: str) -> None:
    assert retagged(image, "2") == expected


@pytest.mark.parametrize("image", ["sha256:" + "a" * 64, "0123456789ab", ""])
def test_an_image_without_a_name_has_no_other_tag(image: str) -> None:
    with pytest.raises(BackendError, match="without a name"):
        retagged(image, "2")
