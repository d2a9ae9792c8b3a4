"""From a running container's description to that of a console beside it. Pure: mappings in, a mapping out.

A console gets what the service's container has and no more. So the engine's description is taken over as it is, with
what narrows it (capabilities, security options, read-only root, namespaces), and only what must differ is replaced.
"""

from collections.abc import Mapping
from typing import Any

from sessions_app.backends.consoles import IDLE, ConsoleRequest, labels

_NOT_TAKEN_OVER = frozenset({
    # Its own: ports and names belong to the service, and its log, its end and its restarts are not the console's.
    "AutoRemove", "ConsoleSize", "ContainerIDFile", "Links", "LogConfig", "PortBindings", "PublishAllPorts",
    "RestartPolicy",
    # Told anew, from what is mounted now.
    "Binds", "Mounts", "VolumesFrom", "VolumeDriver",
    # The size that was asked for.
    "CpuCount", "CpuPercent", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuShares",
    "KernelMemory", "KernelMemoryTCP", "Memory", "MemoryReservation", "MemorySwap", "NanoCpus", "OomKillDisable",
})  # fmt: skip


def console_config(
    request: ConsoleRequest, inspected: Mapping[str, Any], own_image: Mapping[str, Any], image: str
) -> dict[str, Any]:
    """The body of the engine's create call. `own_image` is the configuration of the image that `inspected` runs: what
    comes from that image alone comes from `image` in the console."""
    config = inspected["Config"]
    given = [entry for entry in config.get("Env") or [] if entry not in (own_image.get("Env") or [])]
    made: dict[str, Any] = {
        "Image": image,
        "Env": given,
        "Entrypoint": ["sh", "-c", IDLE, "porthole", str(request.lifetime)],
        "Cmd": [],
        "Labels": labels(request),
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkDisabled": bool(config.get("NetworkDisabled")),
        "HostConfig": _host_config(request, inspected),
    }
    user, directory = (config.get(key) or "" for key in ("User", "WorkingDir"))
    # Also the image's own user: another tag's may be root. An image that was chosen as one brings its own.
    if user := request.user or ("" if request.image and user == (own_image.get("User") or "") else user):
        made["User"] = user
    if directory and directory != own_image.get("WorkingDir"):
        made["WorkingDir"] = directory
    return made


def further_networks(inspected: Mapping[str, Any]) -> list[str]:
    """The networks that the container is on beside its first one."""
    mode = inspected["HostConfig"].get("NetworkMode", "")
    attached = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    first = "bridge" if mode == "default" else mode
    if first not in attached:
        return []
    return [name for name in attached if name != first]


def _host_config(request: ConsoleRequest, inspected: Mapping[str, Any]) -> dict[str, Any]:
    theirs = inspected["HostConfig"]
    kept = {key: value for key, value in theirs.items() if key not in _NOT_TAKEN_OVER}
    return kept | {
        "AutoRemove": True,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},
        "Mounts": _mounts(inspected),
        "Memory": request.memory,
        "MemorySwap": request.memory,
        "NanoCpus": request.millicpus * 1_000_000,
    }


def _mounts(inspected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is mounted now. What was asked for as a mount is asked for in the same words: they may narrow it."""
    asked = {mount["Target"]: mount for mount in inspected["HostConfig"].get("Mounts") or []}
    found: list[dict[str, Any]] = [mount for mount in asked.values() if mount.get("Type") == "tmpfs"]
    for mount in inspected.get("Mounts") or []:
        target = mount["Destination"]
        common = {"Target": target, "ReadOnly": not mount.get("RW", True)}
        if target in asked and mount["Type"] != "tmpfs":
            # The service's data goes on when the console goes: so also a volume without a name is named.
            found.append({**asked[target], "Source": asked[target].get("Source") or mount.get("Name", "")})
        elif mount["Type"] == "bind":
            options = {"Propagation": mount.get("Propagation") or "rprivate"}
            found.append({"Type": "bind", "Source": mount["Source"], "BindOptions": options, **common})
        elif mount["Type"] == "volume":
            found.append({"Type": "volume", "Source": mount["Name"], "VolumeOptions": {"NoCopy": True}, **common})
    return found
