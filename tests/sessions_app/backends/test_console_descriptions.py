"""What a console takes over from a container's description and a workload's template, and how a pod's state is told."""

from dataclasses import replace
from typing import Any

import pytest

from sessions_app.backends.base import BackendError, CommandNotFound, Container
from sessions_app.backends.consoles import ConsoleNotStarted, ConsoleRequest, ImageUnavailable, no_image
from sessions_app.backends.docker_console_config import console_config, further_networks
from sessions_app.backends.kubernetes_console_pod import console_pod, pending

REQUEST = ConsoleRequest(
    "ws-0", "mine", "web", Container("main", "web-0", "shop"), memory=1024, millicpus=500, lifetime=60
)
OWN_IMAGE = {"Env": ["PATH=/bin"], "User": "", "WorkingDir": "/app"}


def running(**host_config: Any) -> dict[str, Any]:
    """A container as an engine describes it."""
    return {
        "Config": {
            "Env": ["PATH=/bin", "SECRET=1"], "User": "app", "WorkingDir": "/app", "Image": "web:1",
            "Labels": {"com.docker.compose.service": "web", "traefik.enable": "true"},
        },
        "HostConfig": {"NetworkMode": "shop_default", **host_config},
        "Mounts": [
            {"Type": "volume", "Name": "data", "Destination": "/data", "RW": True},
            {"Type": "bind", "Source": "/etc/shop", "Destination": "/etc/shop", "RW": False, "Propagation": "rprivate"},
        ],
        "NetworkSettings": {"Networks": {"shop_default": {"Aliases": ["web"]}, "backend": {}}},
    }  # fmt: skip


def test_what_narrows_a_docker_container_narrows_its_console() -> None:
    narrow = {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": True, "UsernsMode": "private"}
    made = console_config(REQUEST, running(**narrow, FieldOfTheFuture=["narrow"]), OWN_IMAGE, "sha256:1")
    for name, value in narrow.items():
        assert made["HostConfig"][name] == value
    assert made["HostConfig"]["FieldOfTheFuture"] == ["narrow"]


def test_what_makes_a_docker_container_part_of_a_service_is_not_taken_over() -> None:
    theirs = running(
        PortBindings={"80/tcp": [{"HostPort": "80"}]}, RestartPolicy={"Name": "always"}, Links=["/db:/web/db"]
    )
    made = console_config(REQUEST, theirs, OWN_IMAGE, "sha256:1")
    assert not set(made["Labels"]) & set(theirs["Config"]["Labels"])
    assert not {"PortBindings", "Links"} & set(made["HostConfig"])
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert "web" not in str(made.get("NetworkingConfig", ""))


def test_a_docker_console_has_environment_mounts_networks_and_user_and_a_size_of_its_own() -> None:
    theirs = running(Memory=10**9, NanoCpus=10**9, CpuShares=512, CpuQuota=100)
    made = console_config(REQUEST, theirs, OWN_IMAGE, "sha256:1")
    assert (made["Env"], made["User"]) == (["SECRET=1"], "app")
    assert "WorkingDir" not in made, "what the image says itself, another image may say otherwise"
    host = made["HostConfig"]
    assert [(mount["Target"], mount["ReadOnly"]) for mount in host["Mounts"]] == [("/data", False), ("/etc/shop", True)]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (1024, 1024, 500_000_000)
    assert not {"CpuShares", "CpuQuota"} & set(host)
    assert (host["NetworkMode"], further_networks(theirs)) == ("shop_default", ["backend"])


def test_another_tag_does_not_change_a_docker_consoles_user_while_an_image_brings_its_own() -> None:
    own_image = {**OWN_IMAGE, "User": "app"}
    tagged = replace(REQUEST, tag="v2")
    assert console_config(tagged, running(), own_image, "web:v2")["User"] == "app"
    assert console_config(replace(tagged, user="1000"), running(), own_image, "web:v2")["User"] == "1000"
    assert "User" not in console_config(replace(REQUEST, image="debug:1"), running(), own_image, "debug:1")


@pytest.mark.parametrize(
    ("slug", "label"),
    [("web", "web"), ("a" * 64, "a" * 63), ("-shop_-", "shop"), ("b" * 62 + "-c", "b" * 62), ("_", "")],
)
def test_every_slug_becomes_a_legal_label(slug: str, label: str) -> None:
    request = replace(REQUEST, service=slug)
    for labels in (
        console_pod(request, TEMPLATE, None)["metadata"]["labels"],
        console_config(request, running(), OWN_IMAGE, "sha256:1")["Labels"],
    ):
        assert labels["porthole/service"] == label


def test_a_part_of_a_volume_stays_a_part_and_one_without_a_name_is_the_same_one() -> None:
    asked = [
        {"Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": {"Subpath": "shop"}},
        {"Type": "volume", "Target": "/cache"},
        {"Type": "tmpfs", "Target": "/tmp"},
    ]
    theirs = running(Mounts=asked)
    theirs["Mounts"] += [
        {"Type": "volume", "Name": "0123", "Destination": "/cache", "RW": True},
        {"Type": "tmpfs", "Source": "", "Destination": "/tmp", "RW": True},
    ]
    mounts = console_config(REQUEST, theirs, OWN_IMAGE, "sha256:1")["HostConfig"]["Mounts"]
    by_target = {mount["Target"]: mount for mount in mounts}
    assert len(mounts) == len(by_target) == 4
    assert by_target["/data"] == asked[0]
    assert by_target["/cache"]["Source"] == "0123"
    assert by_target["/tmp"]["Type"] == "tmpfs"


TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"prometheus.io/scrape": "true", "apparmor/main": "strict"}},
    "spec": {
        "serviceAccountName": "shop",
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {"runAsNonRoot": True},
        "fieldOfTheFuture": "narrow",
        "priorityClassName": "important",
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
        "initContainers": [{"name": "migrate"}],
        "volumes": [{"name": "config", "configMap": {"name": "shop"}}, {"name": "other", "emptyDir": {}}],
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "main", "image": "registry.example/web:1", "envFrom": [{"secretRef": {"name": "shop"}}],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/shop"}], "ports": [{"hostPort": 80}],
                "readinessProbe": {}, "lifecycle": {}, "securityContext": {"readOnlyRootFilesystem": True},
            },
        ],
    },
}  # fmt: skip


def test_a_pod_takes_over_the_template_but_what_makes_it_part_of_a_service() -> None:
    made = console_pod(REQUEST, TEMPLATE, None)
    spec, (container,) = made["spec"], made["spec"]["containers"]
    for name in ("serviceAccountName", "imagePullSecrets", "securityContext", "fieldOfTheFuture"):
        assert spec[name] == TEMPLATE["spec"][name]
    assert [volume["name"] for volume in spec["volumes"]] == ["config"]
    assert container["envFrom"] == [{"secretRef": {"name": "shop"}}]
    assert container["securityContext"] == {"readOnlyRootFilesystem": True}
    assert not {"initContainers", "affinity", "priorityClassName"} & set(spec)
    assert not {"ports", "readinessProbe", "lifecycle"} & set(container)
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 60)
    assert made["metadata"]["annotations"] == {"apparmor/main": "strict"}
    assert "app" not in made["metadata"]["labels"]
    assert "ownerReferences" not in made["metadata"]


def test_a_pod_of_a_stateful_set_gets_the_volume_of_the_chosen_one_on_its_node() -> None:
    container = {"name": "main", "image": "db:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
    chosen = {"spec": {"nodeName": "node-1", "volumes": [claim], "containers": [container]}}
    made = console_pod(REQUEST, {"spec": {"containers": [container]}}, chosen)
    assert made["spec"]["volumes"] == [claim]
    assert "node-1" in str(made["spec"]["affinity"]["nodeAffinity"])


def test_a_user_is_a_number_beside_what_the_container_says() -> None:
    request = ConsoleRequest("ws-0", "mine", "web", REQUEST.like, 1024, 500, 60, user="7:8", tag="2")
    (container,) = console_pod(request, TEMPLATE, None)["spec"]["containers"]
    expected = {"readOnlyRootFilesystem": True, "runAsUser": 7, "runAsGroup": 8}
    assert (container["securityContext"], container["image"]) == (expected, "registry.example/web:2")


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    statuses = [{"name": "main", "state": state}] if state is not None else []
    return {
        "spec": {"containers": [{"name": "main", "image": "web:1"}]},
        "status": {"phase": "Pending", "containerStatuses": statuses, **status},
    }


def unschedulable(message: str) -> dict[str, Any]:
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "message": message}])


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return pod({"waiting": {"reason": reason, "message": message}})


@pytest.mark.parametrize(
    ("described", "told"),
    [
        (pod(), "the cluster looks for a node."),
        (unschedulable("0/3 nodes are available"), "no node of the cluster can take it now: 0/3 nodes are available"),
        (waiting("ContainerCreating"), "the node prepares it: image and volumes."),
        (waiting("ErrImagePull"), "the image web:1 could not be pulled, and the node tries again."),
        (pod(phase="Failed"), "the node is about to say why it ended."),
        (pod({"running": {}}), None),
    ],
)
def test_what_a_pod_waits_for_is_told_in_a_sentence(described: dict[str, Any], told: str | None) -> None:
    assert pending(described, "main") == told


@pytest.mark.parametrize(
    ("described", "error", "words"),
    [
        (waiting("ImagePullBackOff", "manifest unknown"), ImageUnavailable, "has none of that name"),
        (waiting("ErrImageNeverPull", "not present with pull policy of Never"), ImageUnavailable, "may not pull it"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), ConsoleNotStarted, 'secret "x" not found'),
        (pod({"terminated": {"message": 'exec: "sh": executable file not found'}}), CommandNotFound, "has no shell"),
        (pod({"terminated": {"exitCode": 127}}), ConsoleNotStarted, "exit code 127"),
        (pod(phase="Failed", message="Evicted"), ConsoleNotStarted, "Evicted"),
    ],
)
def test_what_will_never_run_is_told_at_once(described: dict[str, Any], error: type[BackendError], words: str) -> None:
    with pytest.raises(error, match=words):
        pending(described, "main")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("manifest for x not found: manifest unknown", "none of that name"),
        ("unauthorized: authentication required", "asks for a sign-in"),
        ('Get "https://r/v2/": dial tcp: lookup r: no such host', "does not answer"),
        ("something else", "could not pull it"),
    ],
)
def test_why_there_is_no_image_is_told_in_plain_words(said: str, why: str) -> None:
    assert why in str(no_image("web:1", said))
