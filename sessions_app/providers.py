"""Providers as the rows say, turned into backends: one for each provider and event loop, shared by its sessions."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from portal import sealing
from portal.models import Provider, Service
from sessions_app.backends import open_backend
from sessions_app.backends.base import Backend, Container, ProviderMisconfigured, Selector


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """What it takes to reach a provider, read from its row once. It holds credentials: keep it out of logs."""

    pk: int
    changed_at: datetime
    kind: str
    options: Mapping[str, Any]
    credentials: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<ProviderSpec {self.pk} {self.kind}>"


def spec_of(provider: Provider) -> ProviderSpec:
    """Raises `ProviderMisconfigured` if the credentials cannot be decrypted."""
    try:
        credentials = sealing.unseal(provider.sealed_credentials)
    except sealing.SealError as error:
        raise ProviderMisconfigured(str(error)) from error
    return ProviderSpec(provider.pk, provider.changed_at, provider.kind, provider.options, credentials)


def reason_of(error: Exception) -> str:
    """What a provider's failure is logged as: a timeout says nothing by itself."""
    return str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)


def selector_of(service: Service) -> Selector:
    """Which containers a service means."""
    return Selector(service.stack.namespace, service.selector_kind, service.selector, service.container_name)


class _Shared:
    """A backend and who uses it."""

    def __init__(self, spec: ProviderSpec) -> None:
        self.spec = spec
        self.backend = open_backend(spec.kind, spec.options, spec.credentials)
        self.users = 0


class BackendPool:
    """The backends of one event loop. The newest of each provider stays open; one that was replaced closes with its
    last user."""

    def __init__(self) -> None:
        self._current: dict[int, _Shared] = {}

    @asynccontextmanager
    async def backend(self, spec: ProviderSpec) -> AsyncIterator[Backend]:
        """The provider's backend, kept open at least as long as the context."""
        shared, replaced = self._current.get(spec.pk), None
        # Never back to an older one: whoever read the row before it was changed is served by what it says now.
        if shared is None or shared.spec.changed_at < spec.changed_at:
            replaced, shared = shared, _Shared(spec)
            self._current[spec.pk] = shared
        shared.users += 1  # Before the first await: whoever replaces this one meanwhile must not close it.
        try:
            if replaced is not None and not replaced.users:
                await replaced.backend.close()
            yield shared.backend
        finally:
            shared.users -= 1
            if not shared.users and self._current.get(spec.pk) is not shared:
                await shared.backend.close()

    async def close(self) -> None:
        """Close every backend."""
        current, self._current = self._current, {}
        for shared in current.values():
            await shared.backend.close()


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, BackendPool] = WeakKeyDictionary()


def keep_backends() -> BackendPool:
    """Share backends on the running event loop from now on. Whoever says so closes the pool at the end."""
    return _pools.setdefault(asyncio.get_running_loop(), BackendPool())


@asynccontextmanager
async def reach(spec: ProviderSpec) -> AsyncIterator[Backend]:
    """A backend for a while: the event loop's shared one, or its own where the loop is short-lived (a task's)."""
    kept = _pools.get(asyncio.get_running_loop())
    if kept is not None:
        async with kept.backend(spec) as backend:
            yield backend
        return
    backend = open_backend(spec.kind, spec.options, spec.credentials)
    try:
        yield backend
    finally:
        await backend.close()


async def containers_of(spec: ProviderSpec, selector: Selector) -> list[Container]:
    """The containers a service means now. Raises `BackendError` within seconds if its provider does not answer."""
    async with reach(spec) as backend:
        return await backend.containers(selector)
