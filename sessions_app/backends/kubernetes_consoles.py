"""Consoles of a Kubernetes cluster: a pod made from the template of the service's workload.

Objects are passed on as the API server tells them, not as the client library models them: a field that the library does
not know may be one that narrows what the container can do.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from sessions_app.backends import names
from sessions_app.backends.base import Container, ContainerGone, ProviderRefused
from sessions_app.backends.consoles import (
    INSTALLATION,
    MAX_SAID,
    SESSION,
    ConsoleRequest,
    Consoles,
    FoundConsole,
    Progress,
    Removal,
    found,
    name_of,
    to_its_end,
)
from sessions_app.backends.kubernetes_cluster import Cluster
from sessions_app.backends.kubernetes_console_pod import Json, console_pod, pending
from sessions_app.backends.kubernetes_errors import reading
from sessions_app.backends.kubernetes_pods import HASH_LABEL
from sessions_app.backends.launch import printable

POLL, POLL_LATER = 0.2, 1.0
"""Seconds between two looks at a pod that starts: during EAGER seconds, and after them."""

EAGER = 10.0

EVENTS_EVERY = 2.0
"""Seconds between two looks at the events of a pod that starts: they know what a status does not tell."""

REMOVAL_WAIT = 9.0
"""Seconds a node may take to stop a pod's containers before its removal is called under way."""

PAGE = "500"

_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


class KubernetesConsoles(Consoles):
    """The consoles of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events_refused = False

    async def create(self, request: ConsoleRequest, progress: Progress) -> Container:
        request.check()
        namespace = names.namespace(request.like.namespace)
        running = await self._running(request.like)
        template = await self._template(request.like, running)
        with reading():
            pod = console_pod(request, template, running)
            container = pod["spec"]["containers"][0]["name"]
        about = f"the console's pod {request.name}"
        progress("the cluster looks for a node.")
        await to_its_end(self._cluster.send(about, "POST", f"/api/v1/namespaces/{namespace}/pods", body=pod))
        started = await self._until_running(namespace, request.name, container, progress)
        with reading():
            image = str(pod["spec"]["containers"][0]["image"])
        return Container(container, request.name, namespace, id=_id_of(started, container), image=image)

    async def remove(self, session_uid: str, namespace: str) -> Removal:
        name, namespace = name_of(session_uid), names.namespace(namespace)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        about = f"the console's pod {name}"
        try:
            await self._cluster.send(about, "DELETE", path, body={"gracePeriodSeconds": 1})
        except ContainerGone:
            return Removal.ABSENT
        deadline = time.monotonic() + REMOVAL_WAIT
        while time.monotonic() < deadline:
            try:
                if _stopped(await self._cluster.send(about, "GET", path)):
                    return Removal.REMOVED
            except ContainerGone:
                return Removal.REMOVED
            await asyncio.sleep(POLL)
        return Removal.UNDER_WAY

    async def left(self, installation: str, namespaces: Collection[str]) -> list[FoundConsole]:
        consoles: list[FoundConsole] = []
        wanted = f"{INSTALLATION}={names.pod_container(installation)},{SESSION}"
        for namespace in sorted(names.namespace(each) for each in set(namespaces)):
            path = f"/api/v1/namespaces/{namespace}/pods"
            try:
                listed = await self._cluster.send(f"pods of {namespace}", "GET", path, labelSelector=wanted, limit=PAGE)
            except ProviderRefused:
                continue  # Where it may not even look, it has made none.
            with reading():
                staying = [pod for pod in listed["items"] if not _is_leaving(pod)]
                consoles += [found(pod["metadata"]["labels"], namespace) for pod in staying]
        return consoles

    async def _running(self, like: Container) -> Json | None:
        """The pod that was chosen, if one was."""
        if not like.pod_name:
            return None
        path = f"/api/v1/namespaces/{like.namespace}/pods/{names.pod(like.pod_name)}"
        return await self._cluster.send(f"the pod {like.pod_name}", "GET", path)

    async def _template(self, like: Container, running: Json | None) -> Mapping[str, Any]:
        """The template of what made the pod, or the pod itself where nothing did, or nothing that can be read."""
        if running is None:
            return await self._template_of_name(like)
        with reading():
            kind, name = _owner(running)
        if kind in _KINDS:
            try:
                return await self._template_of(like.namespace, kind, name)
            except (ContainerGone, ProviderRefused):
                pass  # A workload that was deleted a moment ago, or one that the portal may not read.
        return running

    async def _template_of_name(self, like: Container) -> Mapping[str, Any]:
        for kind in _KINDS:
            try:
                return await self._template_of(like.namespace, kind, like.deployment_name)
            except ContainerGone:
                continue
        raise ContainerGone(f"There is no workload {like.deployment_name}, so there is nothing to make a console from.")

    async def _template_of(self, namespace: str, kind: str, name: str) -> Mapping[str, Any]:
        path = f"/apis/apps/v1/namespaces/{namespace}/{_KINDS[kind]}/{names.pod(name)}"
        workload = await self._cluster.send(f"the workload {name}", "GET", path)
        with reading():
            return dict(workload["spec"]["template"])

    async def _until_running(self, namespace: str, name: str, container: str, progress: Progress) -> Json:
        path = f"/api/v1/namespaces/{namespace}/pods/{quote(name)}"
        began = asked = time.monotonic()
        said = event = ""
        while True:
            pod = await self._cluster.send(f"the console's pod {name}", "GET", path)
            with reading():
                waits_for = pending(pod, container)
            if waits_for is None:
                return pod
            now = time.monotonic()
            if now - asked > EVENTS_EVERY:
                asked, event = now, await self._newest_event(namespace, name)
            told = event if event and waits_for.startswith("the node prepares it") else waits_for
            if told != said:
                said = told
                progress(told)
            await asyncio.sleep(POLL if now - began < EAGER else POLL_LATER)

    async def _newest_event(self, namespace: str, name: str) -> str:
        """What the cluster last said of a pod, where the portal may read that; else nothing."""
        if self._events_refused:
            return ""
        path, selector = f"/api/v1/namespaces/{namespace}/events", f"involvedObject.name={name}"
        try:
            listed = await self._cluster.send("events", "GET", path, fieldSelector=selector, limit=PAGE)
        except ProviderRefused:
            self._events_refused = True
            return ""
        with reading():
            events = sorted(listed["items"], key=lambda event: str(event["metadata"].get("creationTimestamp", "")))
            told = [event for event in events if event.get("type") == "Warning" or event.get("reason") == "Pulling"]
            return printable(str(told[-1].get("message", "")), MAX_SAID) if told else ""


def _owner(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of the workload behind a pod; a replica set stands for the deployment that it is called after."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        kind, name = str(owner["kind"]), str(owner["name"])
        if kind == "ReplicaSet":
            template = (pod["metadata"].get("labels") or {}).get(HASH_LABEL, "")
            return "Deployment", name.removesuffix(f"-{template}")
        if kind in _KINDS:
            return kind, name
    return "", ""


def _id_of(pod: Mapping[str, Any], container: str) -> str:
    with reading():
        return next(
            str(each["containerID"]) for each in pod["status"]["containerStatuses"] if each["name"] == container
        )


def _stopped(pod: Mapping[str, Any]) -> bool:
    with reading():
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        return bool(statuses) and all("terminated" in (each.get("state") or {}) for each in statuses)


def _is_leaving(pod: Mapping[str, Any]) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))
