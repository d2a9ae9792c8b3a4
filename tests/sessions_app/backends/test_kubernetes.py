"""What is particular to a cluster: workloads, rights, silent connections, and how a stream's end is read."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sessions_app.backends import kubernetes_stream, open_backend
from sessions_app.backends.base import (
    Backend,
    BackendError,
    CommandNotFound,
    Container,
    ContainerGone,
    ExecRequest,
    InvalidTarget,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
    Selector,
)
from sessions_app.backends.kubernetes_errors import explain_exec_status
from tests.sessions_app.backends.conftest import use
from tests.sessions_app.backends.places import KubernetesPlace, new_uid, pod_spec
from tests.sessions_app.backends.relays import Pki, black_hole, closed_port, relay
from tests.sessions_app.backends.terminal import Terminal, eventually

DEPLOY = Path(__file__).parents[3] / "deploy" / "kubernetes"


@pytest.fixture
async def cluster(kubernetes_place: KubernetesPlace) -> AsyncIterator[Backend]:
    """A backend with the administrator's rights."""
    async for backend in use(kubernetes_place):
        yield backend


@asynccontextmanager
async def reached(options: Mapping[str, Any], credentials: Mapping[str, str]) -> AsyncIterator[Backend]:
    backend = open_backend("kubernetes", options, credentials)
    try:
        yield backend
    finally:
        await backend.close()


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec("busybox")}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


async def running(backend: Backend, selector: Selector, count: int) -> list[Container]:
    """The selector's containers, once that many run."""
    async with asyncio.timeout(60):
        while True:
            found = await backend.containers(selector)
            if len([each for each in found if each.state == "running"]) == count == len(found):
                return found
            await asyncio.sleep(0.2)


# What it lists


async def test_a_workload_means_its_own_pods(cluster: Backend, kubernetes_place: KubernetesPlace) -> None:
    place, namespace = kubernetes_place, kubernetes_place.namespace
    place.apply(workload("Deployment", "web-api", replicas=2))
    place.apply(workload("StatefulSet", "db", replicas=1, serviceName="db"))
    place.apply(workload("DaemonSet", "agent"))
    look_alike = {"name": "look-alike", "labels": {"app": "web-api", "pod-template-hash": "x"}}
    place.apply({"apiVersion": "v1", "kind": "Pod", "metadata": look_alike, "spec": pod_spec("busybox")})
    try:
        for name, count in (("web-api", 2), ("db", 1), ("agent", 1)):
            found = await running(cluster, Selector(namespace, "workload", name), count)
            assert {each.deployment_name for each in found} == {name}
            assert {each.container_name for each in found} == {"main"}
            assert all(each.ready and each.node and each.started_at.endswith("+00:00") for each in found)
            assert all(each.namespace == namespace and each.id and each.image == "testbed/busybox:1" for each in found)
        by_label = await cluster.containers(Selector(namespace, "labels", "app=web-api"))
        assert {each.pod_name for each in by_label} >= {"look-alike"}
        assert [each.pod_name for each in await cluster.containers(Selector(namespace, "name", "db-*"))] == ["db-0"]
        assert await cluster.containers(Selector(namespace, "workload", "nothing")) == []
        offered = dict(await cluster.discover(1000))
        assert offered[Selector(namespace, "workload", "web-api")] == f"{namespace} / web-api"
        assert not any(selector.namespace.startswith("kube-") for selector in offered)
        assert len(await cluster.discover(1)) == 1
    finally:
        place.kubectl(
            "-n", namespace, "delete", "deployment/web-api", "statefulset/db", "daemonset/agent", "--wait=false"
        )


async def test_the_preferred_container_of_a_pod_is_the_default(
    cluster: Backend, kubernetes_place: KubernetesPlace
) -> None:
    spec = pod_spec("busybox")
    spec["containers"] = [{**spec["containers"][0], "name": name} for name in ("proxy", "app", "logs")]
    annotations = {"kubectl.kubernetes.io/default-container": "app"}
    metadata = {"name": "three", "annotations": annotations}
    kubernetes_place.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    namespace = kubernetes_place.namespace
    for preferred, expected in (("", "app"), ("logs", "logs"), ("no-such-one", "app")):
        found = await running(cluster, Selector(namespace, "name", "three", preferred), 3)
        if preferred == "no-such-one":
            expected = "proxy"
        assert [each.container_name for each in found if each.default] == [expected]


async def test_a_pod_that_cannot_start_is_listed_as_waiting(
    cluster: Backend, kubernetes_place: KubernetesPlace
) -> None:
    spec = pod_spec("no-such-image")
    kubernetes_place.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stuck"}, "spec": spec})
    (found,) = await cluster.containers(Selector(kubernetes_place.namespace, "name", "stuck"))
    assert (found.state, found.ready) == ("waiting", False)
    with pytest.raises(ContainerGone):
        await cluster.exec(ExecRequest(new_uid(), found), Terminal())


async def test_a_restarted_container_ends_the_stream(cluster: Backend, kubernetes_place: KubernetesPlace) -> None:
    made = kubernetes_place.new_container("noshell")
    (container,) = await cluster.containers(Selector(made.namespace, "name", made.pod_name))
    terminal = Terminal()
    await cluster.exec(ExecRequest(new_uid(), container, ["/pause"]), terminal)
    docker_id = container.id.removeprefix("docker://")
    kubernetes_place.stop_container(docker_id)
    _, error = await terminal.end()
    assert isinstance(error, ContainerGone)


# What it may do


def portal_backend(portal_kubeconfig: str) -> Backend:
    return open_backend("kubernetes", {}, {"kubeconfig": Path(portal_kubeconfig).read_text()})


async def test_missing_rights_are_told_in_words(kubernetes_place: KubernetesPlace, portal_kubeconfig: str) -> None:
    namespace, container = kubernetes_place.namespace, kubernetes_place.container("busybox")
    backend = portal_backend(portal_kubeconfig)
    advice = r"Apply the Role of deploy/kubernetes"
    assert (await backend.check()).startswith("Kubernetes")
    with pytest.raises(ProviderRefused, match=f"“portal” list pods in namespace “{namespace}”. {advice}"):
        await backend.containers(Selector(namespace, "name", "*"))
    with pytest.raises(ProviderRefused, match=f"“portal” get daemonsets in namespace “{namespace}”. {advice}"):
        await backend.containers(Selector(namespace, "workload", "web"))
    with pytest.raises(ProviderRefused, match=f"“portal” list deployments in the whole cluster. {advice}"):
        await backend.discover(10)
    with pytest.raises(ProviderRefused, match=f"the verbs get and create on pods/exec. {advice}"):
        await backend.exec(ExecRequest(new_uid(), container), Terminal())
    with pytest.raises(ProviderRefused, match="pods/exec"):
        await backend.end_processes(new_uid(), container, kill_protected=False)
    await backend.close()


async def everything_works(backend: Backend, namespace: str, container: Container) -> None:
    assert await backend.containers(Selector(namespace, "name", "*"))
    assert await backend.containers(Selector(namespace, "workload", "nothing")) == []
    uid, terminal = new_uid(), Terminal()
    stream = await backend.exec(ExecRequest(uid, container, ["sleep", "1000"]), terminal)
    report = await backend.end_processes(uid, container, kill_protected=False)
    assert [process.outcome for process in report.processes] == ["ended"]
    await terminal.end()
    await stream.close()


def in_namespace(kubeconfig: str, namespace: str) -> str:
    """The kubeconfig's text with a namespace in its context."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    return yaml.safe_dump(config)


async def test_the_role_is_enough(kubernetes_place: KubernetesPlace, portal_kubeconfig: str) -> None:
    place, namespace = kubernetes_place, f"{kubernetes_place.namespace}-role"
    place.kubectl("create", "namespace", namespace)
    try:
        place.apply(yaml.safe_load((DEPLOY / "role.yaml").read_text()), namespace)
        binding = yaml.safe_load((DEPLOY / "role-binding.yaml").read_text())
        user = {"kind": "User", "name": "portal", "apiGroup": "rbac.authorization.k8s.io"}
        place.apply({**binding, "subjects": [user]}, namespace)
        place.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod_spec("busybox")}, namespace
        )
        backend = portal_backend(portal_kubeconfig)
        (container,) = await running(backend, Selector(namespace, "name", "one"), 1)
        await everything_works(backend, namespace, container)
        with pytest.raises(ProviderRefused):
            await backend.containers(Selector(place.namespace, "name", "*"))
        await backend.close()
        async with reached({}, {"kubeconfig": in_namespace(portal_kubeconfig, namespace)}) as confined:
            assert await confined.discover(10) == []
    finally:
        place.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_the_service_account_of_deploy_reaches_what_its_role_allows(kubernetes_place: KubernetesPlace) -> None:
    place = kubernetes_place
    own = f"{place.namespace}-porthole"
    account = (DEPLOY / "service-account.yaml").read_text().replace("porthole\n", f"{own}\n")
    for manifest in yaml.safe_load_all(account):
        place.kubectl("apply", "-f", "-", given=manifest)
    try:
        place.apply(yaml.safe_load((DEPLOY / "role.yaml").read_text()))
        binding = yaml.safe_load((DEPLOY / "role-binding.yaml").read_text())
        subject = {**binding["subjects"][0], "name": own, "namespace": own}
        place.apply({**binding, "subjects": [subject]})
        secret: dict[str, Any] = {}

        def has_token() -> bool:
            text = place.kubectl("-n", own, "get", "secrets", "-o", "json")
            found = [each for each in json.loads(text)["items"] if (each.get("data") or {}).get("token")]
            secret.update(found[0]["data"] if found else {})
            return bool(found)

        await eventually(has_token)
        credentials = {
            "token": base64.b64decode(secret["token"]).decode(),
            "ca": base64.b64decode(secret["ca.crt"]).decode(),
        }
        async with reached({"server": place.server}, credentials) as backend:
            await everything_works(backend, place.namespace, place.container("busybox"))
            with pytest.raises(ProviderRefused):
                await backend.containers(Selector("kube-system", "name", "*"))
    finally:
        place.kubectl("delete", "namespace", own, "--wait=false")


# How it is reached


async def test_faults_on_the_way_are_told_in_words(kubernetes_place: KubernetesPlace) -> None:
    good = kubernetes_place.access()
    ca, stranger = good.ca, Pki.make().stranger.pem
    token = good.token.current() if good.token else ""
    secure = {"token": token, "ca": ca}
    cases: list[tuple[str, dict[str, str], type[BackendError], str]] = [
        (
            good.server,
            {"token": "wrong", "ca": ca},
            ProviderMisconfigured,
            "does not accept the provider's credentials",
        ),
        (good.server, {"token": token, "ca": stranger}, ProviderMisconfigured, "the provider's CA has signed"),
        (good.server, {"token": token}, ProviderMisconfigured, "the provider's CA has signed"),
        (f"https://{closed_port()}", secure, ProviderUnreachable, "Nothing listens at the API server"),
        ("https://no-such-host.invalid:6443", secure, ProviderUnreachable, "cannot be resolved"),
        (good.server.replace("https", "http"), secure, BackendError, "."),
    ]
    for server, credentials, kind, words in cases:
        async with asyncio.timeout(10), reached({"server": server}, credentials) as backend:
            for call in (
                backend.check(),
                backend.containers(Selector("default", "name", "*")),
                backend.exec(ExecRequest(new_uid(), Container("main", "pod", "default")), Terminal()),
            ):
                if server == good.server and credentials["token"] == "wrong" and call.__name__ == "check":
                    # An API server tells its version to everyone.
                    call.close()
                    continue
                with pytest.raises(kind, match=words):
                    await call


async def test_an_api_server_that_never_answers_is_told_in_time(kubernetes_place: KubernetesPlace) -> None:
    container = Container("main", "pod", "default")
    async with black_hole() as address, asyncio.timeout(10):
        async with reached({"server": f"https://{address}"}, {"token": "t"}) as backend:
            errors = await asyncio.gather(
                backend.check(),
                backend.containers(Selector("default", "workload", "web")),
                backend.exec(ExecRequest(new_uid(), container), Terminal()),
                backend.end_processes(new_uid(), container, kill_protected=False),
                return_exceptions=True,
            )
        assert [type(error) for error in errors] == [ProviderUnreachable] * 4


async def test_a_silent_connection_is_kept_and_a_dead_one_is_noticed(
    kubernetes_place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_stream, "KEEPALIVE", 0.1)
    monkeypatch.setattr(kubernetes_stream, "SILENCE", 0.5)
    flowing, uid, terminal = asyncio.Event(), new_uid(), Terminal()
    flowing.set()
    container, access = kubernetes_place.container("debian"), kubernetes_place.access()
    token = access.token.current() if access.token else ""
    async with (
        relay(access.server.removeprefix("https://"), flowing=flowing) as address,
        reached({"server": f"https://{address}"}, {"token": token, "ca": access.ca}) as backend,
    ):
        program = ["sh", "-c", "stty raw; yes | head -c 30000000; exec sleep 1000"]
        stream = await backend.exec(ExecRequest(uid, container, program), terminal)
        stream.pause_reading()
        await asyncio.sleep(1.5)
        assert not terminal.closings, "a pause hides pongs, and is no death"
        stream.resume_reading()
        await terminal.until(lambda: len(terminal.seen) == 30_000_000)
        await asyncio.sleep(1.5)
        assert not terminal.closings, "pongs come back"
        flowing.clear()
        exit_code, error = await terminal.end()
        assert exit_code is None
        assert isinstance(error, ProviderUnreachable)
        flowing.set()
        await backend.end_processes(uid, container, kill_protected=True)


async def test_more_streams_than_a_connection_pool_holds(cluster: Backend, kubernetes_place: KubernetesPlace) -> None:
    uid, container = new_uid(), kubernetes_place.container("busybox")
    terminals = [Terminal() for _ in range(110)]
    for start in range(0, len(terminals), 10):
        request = ExecRequest(uid, container, ["sleep", "1000"])
        await asyncio.gather(*(cluster.exec(request, terminal) for terminal in terminals[start : start + 10]))
    assert await cluster.check()
    report = await cluster.end_processes(uid, container, kill_protected=True)
    assert len(report.processes) == len(terminals)
    for terminal in terminals:
        await terminal.end()


# What a kubeconfig may hold


def edited(kubernetes_place: KubernetesPlace, section: str, **changes: object) -> str:
    config = yaml.safe_load(kubernetes_place.kubeconfig)
    config[f"{section}s"][0][section].update(changes)
    return yaml.safe_dump(config)


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("user", {"exec": {"command": "/bin/sh"}}, "the portal runs none"),
        ("user", {"auth-provider": {"name": "gcp"}}, "the portal runs none"),
        ("user", {"tokenFile": "/etc/passwd"}, "reads no files"),
        ("user", {"client-certificate": "/etc/passwd"}, "reads no files"),
        ("user", {"client-key": "/etc/passwd"}, "reads no files"),
        ("cluster", {"certificate-authority": "/etc/passwd"}, "reads no files"),
        ("user", {"as": "somebody"}, "Use a token"),
        ("user", {"username": "u", "password": "p"}, "Use a token"),
        ("user", {"token": "two\nlines"}, "without line breaks"),
        ("user", {"client-certificate-data": "eA=="}, "TLS files cannot be used"),
        ("cluster", {"certificate-authority-data": "eA=="}, "TLS files cannot be used"),
        ("cluster", {"certificate-authority-data": "é"}, "base64"),
        ("cluster", {"server": "ftp://x"}, "not the address of an API server"),
        ("cluster", {"server": ["https://x"]}, "must be a text"),
        ("cluster", {"tls-server-name": {"a": "b"}}, "must be a text"),
        ("user", {"token": ["a"]}, "must be a text"),
    ],
)
async def test_kubeconfigs_that_cannot_be_used_are_refused(
    kubernetes_place: KubernetesPlace, section: str, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=words):
        open_backend("kubernetes", {}, {"kubeconfig": edited(kubernetes_place, section, **changes)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "a: 1",
        "current-context: x",
        "!!python/object:os.system x",
        "x" * 300_000,
        "[" * 5000,
        "a: &a x\nb: *a",
    ],
)
def test_what_is_no_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(ProviderMisconfigured):
        open_backend("kubernetes", {}, {"kubeconfig": text})


def test_a_context_can_be_chosen(kubernetes_place: KubernetesPlace) -> None:
    with pytest.raises(ProviderMisconfigured, match="has no context “other”"):
        open_backend("kubernetes", {"context": "other"}, {"kubeconfig": kubernetes_place.kubeconfig})
    open_backend("kubernetes", {"context": "testbed"}, {"kubeconfig": kubernetes_place.kubeconfig})


def test_in_cluster_outside_of_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ProviderMisconfigured, match="does not run in a Kubernetes pod"):
        open_backend("kubernetes", {"in_cluster": True}, {})


async def test_in_cluster_uses_the_pods_own_account(
    kubernetes_place: KubernetesPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = kubernetes_place.access()
    host, port = access.server.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr("sessions_app.backends.kubernetes_access.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr("sessions_app.backends.kubernetes_access.TOKEN_REREAD", 0.0)
    token = access.token.current() if access.token else ""
    for name, text in (("token", token), ("ca.crt", access.ca), ("namespace", "default")):
        (tmp_path / name).write_text(text)
    async with reached({"in_cluster": True}, {}) as backend:
        assert await backend.containers(Selector(kubernetes_place.namespace, "name", "nothing")) == []
        (tmp_path / "token").write_text("expired")
        with pytest.raises(ProviderMisconfigured, match="Renew its token"):
            await backend.containers(Selector(kubernetes_place.namespace, "name", "nothing"))


def test_credentials_show_up_in_no_representation(kubernetes_place: KubernetesPlace) -> None:
    access = kubernetes_place.access()
    assert access.token is not None
    assert access.token.current() not in repr(access) + repr(access.token) + str(access)


# How a stream's last message is read


@pytest.mark.parametrize(
    ("status", "exit_code", "error"),
    [
        ({"status": "Success"}, 0, None),
        ({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "42"}]}}, 42, None),
        ({"status": "Failure", "message": "lost"}, None, BackendError),
        ({"status": "Failure", "message": "lost", "details": None}, None, BackendError),
        ({"status": "Failure", "details": {"causes": None}, "message": "x"}, None, BackendError),
        (
            {"status": "Failure", "message": 'exec failed: "sh": executable file not found in $PATH', "code": 500},
            None,
            CommandNotFound,
        ),
        (None, None, None),
        ("text", None, None),
    ],
)
def test_exec_status(status: object, exit_code: int | None, error: type[BackendError] | None) -> None:
    found_code, found_error = explain_exec_status(status)
    assert found_code == exit_code
    assert (type(found_error) if found_error else None) is error


async def test_selectors_of_another_kind_are_refused(cluster: Backend, kubernetes_place: KubernetesPlace) -> None:
    with pytest.raises(InvalidTarget):
        await cluster.containers(Selector(kubernetes_place.namespace, "compose", "web"))
    with pytest.raises(InvalidTarget):
        await cluster.containers(Selector(kubernetes_place.namespace, "labels", "a b=c"))
    with pytest.raises(InvalidTarget):
        await cluster.containers(Selector("../default", "name", "*"))
