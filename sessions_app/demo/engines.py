"""The container engines of this machine: where they would be, whether they answer, and what runs there."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError

from portal import validation
from portal.models import ProviderKind
from sessions_app.backends import open_backend
from sessions_app.backends.base import BackendError, Selector
from sessions_app.demo import kubeconfig

LIMIT = 20
"""Things of one engine that become services."""

TIMEOUT = 4.5
"""Seconds all engines together may take to answer."""

DOCKER_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Address:
    """How an engine would be reached: the options and credentials of its provider."""

    kind: ProviderKind
    shown: str
    options: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine that answered."""

    address: Address
    name: str
    """What it calls itself, such as "Docker Engine 20.10.24"."""
    found: Sequence[tuple[Selector, str]]

    @property
    def complete(self) -> bool:
        """Is this everything that runs there?"""
        return len(self.found) < LIMIT


@dataclass(frozen=True, slots=True)
class Silence:
    """An engine that cannot be used, and why."""

    kind: ProviderKind
    reason: str


def docker_address(environment: Mapping[str, str]) -> Address | Silence | None:
    """What the docker command would use: DOCKER_HOST with its TLS files, else the default socket if there is one."""
    host = environment.get("DOCKER_HOST", "")
    if not host:
        return _docker(f"unix://{DOCKER_SOCKET}") if DOCKER_SOCKET.exists() else None
    if host.startswith("unix://") or not environment.get("DOCKER_TLS_VERIFY"):
        return _docker(host)
    folder = Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        return _docker(host, {name: (folder / f"{name}.pem").read_text() for name in ("ca", "cert", "key")})
    except OSError as error:
        return Silence(ProviderKind.DOCKER, f"{error.filename} cannot be read ({error.strerror})")


def _docker(host: str, credentials: Mapping[str, str] | None = None) -> Address:
    return Address(ProviderKind.DOCKER, host, {"host": host}, credentials or {})


def kubernetes_address(environment: Mapping[str, str]) -> Address | Silence | None:
    """What kubectl would use: the first file of KUBECONFIG that exists, else the default file if there is one."""
    paths = [Path(path) for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    path = next((path for path in paths or [Path.home() / ".kube" / "config"] if path.exists()), None)
    if path is None:
        return Silence(ProviderKind.KUBERNETES, f"{paths[0]} does not exist") if paths else None
    try:
        return Address(ProviderKind.KUBERNETES, str(path), {}, {"kubeconfig": kubeconfig.current(path)})
    except kubeconfig.Unusable as error:
        return Silence(ProviderKind.KUBERNETES, str(error))


async def ask(addresses: Sequence[Address]) -> list[Answer | Silence]:
    """Ask all of them at once what they are and what runs there."""
    return await asyncio.gather(*(_ask(address) for address in addresses))


async def _ask(address: Address) -> Answer | Silence:
    try:
        validation.check_provider(address.kind, address.options, operator=True)
        validation.check_credentials(address.kind, address.credentials)
        backend = open_backend(address.kind, address.options, address.credentials)
        try:
            async with asyncio.timeout(TIMEOUT):
                return Answer(address, await backend.check(), await backend.discover(LIMIT))
        finally:
            await backend.close()
    except ValidationError as error:
        return Silence(address.kind, " ".join(error.messages))
    except TimeoutError:
        return Silence(address.kind, f"{address.shown} did not answer within {TIMEOUT} s")
    except BackendError as error:
        return Silence(address.kind, f"{address.shown}: {error}")
