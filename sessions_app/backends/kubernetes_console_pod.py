"""From a workload's template to a console's pod, and from a pod's status to words. Pure: mappings in and out.

A console gets what the service's pods have and no more. So the template is taken over as it is, with what narrows it
(security contexts, runtime class, fields that are newer than this code), and only what must differ is left out.
"""

from collections.abc import Mapping
from typing import Any

from sessions_app.backends.base import BackendError, CommandNotFound, InvalidTarget
from sessions_app.backends.consoles import (
    IDLE,
    MAX_SAID,
    ConsoleNotStarted,
    ConsoleRequest,
    labels,
    no_image,
    retagged,
)
from sessions_app.backends.kubernetes_errors import NO_PROGRAM
from sessions_app.backends.launch import printable

Json = dict[str, Any]

CPU_REQUESTED = 5
"""A console mostly waits for its user, so it reserves a fifth of the CPU that it may use; its memory it reserves."""

# Of the pod. Init containers and side containers do a service's work (migrations, queues) and are not its environment.
_POD_WITHOUT = frozenset({
    "activeDeadlineSeconds", "affinity", "containers", "ephemeralContainers", "hostname", "initContainers", "nodeName",
    "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "resourceClaims", "resources",
    "restartPolicy", "schedulingGates", "setHostnameAsFQDN", "shareProcessNamespace", "subdomain",
    "terminationGracePeriodSeconds", "topologySpreadConstraints", "volumes",
})  # fmt: skip
_CONTAINER_WITHOUT = frozenset({
    "args", "command", "lifecycle", "livenessProbe", "ports", "readinessProbe", "resizePolicy", "resources",
    "restartPolicy", "startupProbe", "stdin", "stdinOnce", "tty",
})  # fmt: skip
_ANNOTATIONS_WITHOUT = (
    "kubectl.kubernetes.io/",
    "prometheus.io/",
    "deployment.kubernetes.io/",
    "cni.projectcalico.org/",
)


def console_pod(request: ConsoleRequest, template: Mapping[str, Any], running: Mapping[str, Any] | None) -> Json:
    """The pod of a console. `template` has metadata and spec; `running` is a pod made of it, if there is one, with the
    volumes that a stateful set gives each of its pods."""
    spec = template["spec"]
    container = _container(request, spec)
    mounted = {mount["name"] for key in ("volumeMounts", "volumeDevices") for mount in container.get(key) or []}
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or []}
    made: Json = {key: value for key, value in spec.items() if key not in _POD_WITHOUT}
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    if running is not None and mounted - set(volumes):
        volumes |= {volume["name"]: volume for volume in running["spec"].get("volumes") or []}
        # Such a volume can often be attached to one node only.
        node_affinity = _on_node(running["spec"].get("nodeName", ""))
    if node_affinity:
        made["affinity"] = {"nodeAffinity": node_affinity}
    made |= {
        "activeDeadlineSeconds": request.lifetime,
        "containers": [container],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "volumes": [volume for name, volume in volumes.items() if name in mounted],
    }
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith(_ANNOTATIONS_WITHOUT)}
    metadata = {"name": request.name, "labels": labels(request), "annotations": kept}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made}


def _container(request: ConsoleRequest, spec: Mapping[str, Any]) -> Json:
    containers = spec["containers"]
    chosen = next((each for each in containers if each["name"] == request.like.container_name), containers[0])
    image = request.image or chosen.get("image", "")
    made = {key: value for key, value in chosen.items() if key not in _CONTAINER_WITHOUT}
    made |= {
        "image": retagged(image, request.tag) if request.tag else image,
        "command": ["sh", "-c", IDLE, "porthole", str(request.lifetime)],
        "resources": {
            "limits": {"memory": str(request.memory), "cpu": f"{request.millicpus}m"},
            "requests": {"memory": str(request.memory), "cpu": f"{max(1, request.millicpus // CPU_REQUESTED)}m"},
        },
    }
    if request.user:
        made["securityContext"] = (chosen.get("securityContext") or {}) | _user(request.user)
    return made


def _user(user: str) -> dict[str, int]:
    number, _, group = user.partition(":")
    if not number.isdecimal() or not (group or "0").isdecimal():
        raise InvalidTarget("Kubernetes takes a user's number, with a group's if need be: 1000 or 1000:1000.")
    return {"runAsUser": int(number)} | ({"runAsGroup": int(group)} if group else {})


def _on_node(node: str) -> Json | None:
    if not node:
        return None
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def pending(pod: Mapping[str, Any], container_name: str) -> str | None:
    """What a pod waits for, in a sentence; None once its container runs. Raises for what will never run."""
    status = pod.get("status") or {}
    state = next(
        (each.get("state") or {} for each in status.get("containerStatuses") or [] if each["name"] == container_name),
        {},
    )
    if "running" in state:
        return None
    image = next(each.get("image", "") for each in pod["spec"]["containers"] if each["name"] == container_name)
    if "terminated" in state:
        raise _ended(state["terminated"], image)
    if status.get("phase") in ("Failed", "Succeeded"):
        if said := printable(str(status.get("message") or status.get("reason") or ""), MAX_SAID):
            raise ConsoleNotStarted(f"The cluster gave the console's pod up: {said}")
        return "the node is about to say why it ended."  # the container's own status comes a moment later
    if (waiting := state.get("waiting")) is not None:
        return _waits(str(waiting.get("reason", "")), str(waiting.get("message", "")), image)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = printable(str(condition.get("message", "")), MAX_SAID)
            return f"no node of the cluster can take it now: {said}"
    return "the cluster looks for a node."


def _waits(reason: str, message: str, image: str) -> str:
    said = printable(message, MAX_SAID)
    match reason:
        case "ErrImageNeverPull" | "ImagePullBackOff" | "InvalidImageName":
            raise no_image(image, message)
        case "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError":
            raise ConsoleNotStarted(f"The node cannot make the container: {said}")
        case "CrashLoopBackOff":
            raise ConsoleNotStarted("The console's container ends as soon as it starts.")
        case "ErrImagePull":
            return f"the image {image} could not be pulled, and the node tries again."
        case "PodInitializing":
            return "containers that the cluster adds to it are starting."
    return "the node prepares it: image and volumes."


def _ended(terminated: Mapping[str, Any], image: str) -> BackendError:
    message = str(terminated.get("message", ""))
    if NO_PROGRAM.search(message):
        return CommandNotFound(
            f"The image {image} has no shell. A console needs one (sh and sleep), so it takes another image or tag."
        )
    said = printable(message or str(terminated.get("reason", "")), MAX_SAID)
    return ConsoleNotStarted(
        f"The console's container ended as soon as it started (exit code {terminated.get('exitCode')}). {said}".strip()
    )
