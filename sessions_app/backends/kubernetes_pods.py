"""What runs in a cluster, as the contract's containers."""

import fnmatch
from collections.abc import Iterable
from typing import Any

from kubernetes.aio.client import AppsV1Api, CoreV1Api

from sessions_app.backends import names
from sessions_app.backends.base import BackendError, Container, ContainerGone, InvalidTarget, ProviderRefused, Selector
from sessions_app.backends.consoles import SESSION
from sessions_app.backends.kubernetes_cluster import Cluster
from sessions_app.backends.kubernetes_errors import reading

PAGE = 500
"""Pods asked for at a time."""

MAX_PODS = 2000
"""Pods of one service that are listed."""

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
HASH_LABEL = "pod-template-hash"


async def containers(cluster: Cluster, selector: Selector) -> list[Container]:
    """The containers of the pods that a selector means, running ones first."""
    namespace = names.namespace(selector.namespace)
    preferred = names.pod_container(selector.container_name) if selector.container_name else ""
    found: list[Container] = []
    with reading():
        for pod in await _pods(cluster, namespace, selector):
            found += _containers_of(pod, preferred)
    return sorted(found, key=lambda each: (each.state != "running", each.pod_name, not each.default))


async def running(cluster: Cluster, target: Container) -> bool:
    """Whether one container runs, in a pod that is being deleted too: its programs go on until they are stopped."""
    try:
        with reading():
            status = _status_of(await _read(cluster, target), target)
            return status is not None and _state(status)[0] == "running"
    except ContainerGone:
        return False


async def gone(cluster: Cluster, target: Container) -> ContainerGone | None:
    """Why a container is no place to be in any more, in words; None while it is one."""
    try:
        with reading():
            pod = await _read(cluster, target)
            status = _status_of(pod, target)
            leaving = pod.metadata.deletion_timestamp is not None
            runs = status is not None and _state(status)[0] == "running"
    except ContainerGone as error:
        return error
    if leaving:
        return ContainerGone(f"The pod {target.pod_name} is being deleted.")
    if not runs:
        return ContainerGone(f"The container {target.container_name} of {target.pod_name} is not running.")
    return None


async def _read(cluster: Cluster, target: Container) -> Any:
    """The pod of a container. Any: the generated model calls everything optional, also what each pod has."""
    read = CoreV1Api(cluster.api).read_namespaced_pod
    return await cluster.call(f"the pod {target.pod_name}", read, target.pod_name, target.namespace)


def _status_of(pod: Any, target: Container) -> Any:
    """A container's status. Raises `ContainerGone` if another one has taken its place."""
    for status in pod.status.container_statuses or []:
        if status.name == target.container_name:
            if target.id and status.container_id and status.container_id != target.id:
                raise ContainerGone(f"The container {target.container_name} of {target.pod_name} was restarted.")
            return status
    return None


async def discover(cluster: Cluster, limit: int) -> list[tuple[Selector, str]]:
    """Deployments and sets outside the cluster's own namespaces, of the context's namespace where only that is
    allowed."""
    apps = AppsV1Api(cluster.api)
    own = cluster.access.namespace
    found: dict[Selector, str] = {}
    for kind in ("deployment", "stateful_set", "daemon_set"):
        try:
            everywhere = getattr(apps, f"list_{kind}_for_all_namespaces")
            listed = await cluster.call("", everywhere, limit=PAGE)
        except ProviderRefused:
            if not own:
                raise
            in_one = getattr(apps, f"list_namespaced_{kind}")
            listed = await cluster.call("", in_one, own, limit=PAGE)
        with reading():
            for workload in listed.items:
                namespace, name = workload.metadata.namespace, workload.metadata.name
                if not namespace.startswith("kube-"):
                    found[Selector(namespace, "workload", name)] = f"{namespace} / {name}"
    return sorted(found.items(), key=lambda item: item[1])[:limit]


async def _pods(cluster: Cluster, namespace: str, selector: Selector) -> list[Any]:
    match selector.kind:
        case "labels":
            wanted = names.labels(selector.value)
            return await _list(cluster, namespace, ",".join(f"{key}={value}" for key, value in wanted.items()))
        case "name":
            pattern = names.pattern(selector.value)
            pods = await _list(cluster, namespace, "")
            return [pod for pod in pods if fnmatch.fnmatchcase(pod.metadata.name, pattern)]
        case "workload":
            workload = names.pod(selector.value)
            pods = []
            for labels in await _workload_labels(cluster, namespace, workload):
                pods += await _list(cluster, namespace, labels)
            owned = {pod.metadata.uid: pod for pod in pods if _workload_of(pod) == workload}
            return list(owned.values())
        case kind:
            raise InvalidTarget(f"A Kubernetes cluster has no “{kind}” to select by: use workload, labels or name.")


async def _list(cluster: Cluster, namespace: str, labels: str) -> list[Any]:
    core = CoreV1Api(cluster.api)
    pods: list[Any] = []
    following: str | None = None
    while True:
        # Somebody's console is no container of a service, whatever a pattern means.
        options: dict[str, Any] = {"limit": PAGE, "label_selector": f"{labels},!{SESSION}".lstrip(",")}
        if following:
            options["_continue"] = following
        page: Any = await cluster.call("", core.list_namespaced_pod, namespace, **options)
        pods += page.items
        following = page.metadata._continue
        if not following or len(pods) >= MAX_PODS:
            return pods


async def _workload_labels(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """The label selectors of the deployment and sets of that name; usually one. Without any there are no pods."""
    apps = AppsV1Api(cluster.api)
    selectors: list[str] = []
    refused: BackendError | None = None
    readers: list[Any] = [apps.read_namespaced_deployment, apps.read_namespaced_stateful_set]
    for read in [*readers, apps.read_namespaced_daemon_set]:
        try:
            workload: Any = await cluster.call("", read, name, namespace)
        except ContainerGone:
            continue
        except ProviderRefused as error:
            refused = error
            continue
        selectors.append(_label_selector(workload.spec.selector))
    if refused is not None and not selectors:
        raise refused
    return selectors


def _label_selector(selector: Any) -> str:
    parts = [f"{key}={value}" for key, value in (selector.match_labels or {}).items()]
    for expression in selector.match_expressions or []:
        values = ",".join(expression.values or [])
        parts.append(
            {
                "In": f"{expression.key} in ({values})",
                "NotIn": f"{expression.key} notin ({values})",
                "Exists": expression.key,
                "DoesNotExist": f"!{expression.key}",
            }[expression.operator]
        )
    return ",".join(parts)


def _workload_of(pod: Any) -> str:
    """The name of what made a pod. A deployment's replica set is called after it and the template's hash, so that the
    right to read replica sets is not needed."""
    for owner in pod.metadata.owner_references or []:
        if owner.kind == "ReplicaSet":
            template = (pod.metadata.labels or {}).get(HASH_LABEL, "")
            return str(owner.name.removesuffix(f"-{template}") if template else owner.name)
        if owner.kind in ("StatefulSet", "DaemonSet"):
            return str(owner.name)
    return ""


def _containers_of(pod: Any, preferred: str) -> Iterable[Container]:
    specified = [container.name for container in pod.spec.containers]
    default = preferred or (pod.metadata.annotations or {}).get(_DEFAULT_CONTAINER, "")
    if default not in specified:
        default = specified[0]
    statuses = {status.name: status for status in pod.status.container_statuses or []}
    for container in pod.spec.containers:
        status = statuses.get(container.name)
        state, started_at = _state(status)
        leaving = pod.metadata.deletion_timestamp is not None
        yield Container(
            container_name=container.name,
            pod_name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            id=(status.container_id or "") if status else "",
            deployment_name=_workload_of(pod),
            image=container.image or "",
            state="terminating" if leaving and state == "running" else state,
            ready=bool(status and status.ready) and not leaving,
            started_at=started_at,
            node=pod.spec.node_name or "",
            default=container.name == default,
        )


def _state(status: Any) -> tuple[str, str]:
    """A container's state in one word, and since when it runs."""
    if status is None or status.state is None:
        return "waiting", ""
    if status.state.running is not None:
        started = status.state.running.started_at
        return "running", started.isoformat() if started else ""
    return ("terminated" if status.state.terminated is not None else "waiting"), ""
