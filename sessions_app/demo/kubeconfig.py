"""The cluster that kubectl would talk to now, as one kubeconfig that stands alone."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# Keys that name a file, and the keys that hold such a file's content instead.
_FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


class Unusable(Exception):
    """There is a kubeconfig, and the portal cannot use it. The text says why."""


def current(path: Path) -> str:
    """The current context of the file at `path`, with its cluster and user and nothing else, files read in.

    Raises `Unusable`.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _entry(config, "context", config["current-context"])
        cluster = _entry(config, "cluster", context["cluster"])
        user = _entry(config, "user", context["user"])
        alone = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "demo",
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
            "clusters": [{"name": "demo", "cluster": _read_in(cluster, path.parent)}],
            "users": [{"name": "demo", "user": _read_in(user, path.parent)}],
        }
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, StopIteration) as error:
        raise Unusable(f"{path} has no current context with a cluster and a user") from error
    return yaml.safe_dump(alone)


def _entry(config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    return next(dict(entry[kind]) for entry in config[f"{kind}s"] if entry["name"] == name)


def _read_in(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`entry` with each file it names, relative to the kubeconfig's folder, replaced by the file's content."""
    for key, data_key in _FILES.items():
        if key in entry:
            entry[data_key] = base64.b64encode((folder / entry.pop(key)).read_bytes()).decode()
    if "tokenFile" in entry:
        entry["token"] = (folder / entry.pop("tokenFile")).read_text(encoding="utf-8").strip()
    return entry
