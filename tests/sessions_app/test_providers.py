"""Backends shared by the sessions of one event loop."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.backends.base import Backend, ProviderUnreachable
from sessions_app.providers import BackendPool, ProviderSpec, reason_of
from tests.sessions_app.backends.relays import black_hole, closed_port


def spec(minute: int, address: str) -> ProviderSpec:
    """The provider as it was at that minute."""
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return ProviderSpec(1, at, "docker", {"host": f"tcp://{address}"}, {})


async def test_the_same_provider_is_one_backend_until_it_changes() -> None:
    pool, address = BackendPool(), closed_port()
    async with pool.backend(spec(1, address)) as first, pool.backend(spec(1, address)) as second:
        assert first is second
        async with pool.backend(spec(2, address)) as changed:
            assert changed is not first
    await pool.close()


async def test_what_was_read_before_a_change_does_not_bring_the_old_backend_back() -> None:
    pool, address = BackendPool(), closed_port()
    async with pool.backend(spec(2, address)) as newer:
        async with pool.backend(spec(1, address)) as late:
            assert late is newer
        async with pool.backend(spec(2, address)) as again:
            assert again is newer
    await pool.close()


async def test_a_backend_about_to_be_used_is_not_closed_by_the_next_change() -> None:
    pool, address = BackendPool(), closed_port()

    async def use(minute: int) -> Backend:
        async with pool.backend(spec(minute, address)) as backend:
            # A closed one could not even try.
            with pytest.raises(ProviderUnreachable):
                await backend.check()
            return backend

    async with black_hole() as silent:
        async with pool.backend(spec(1, silent)) as first:
            hanging = asyncio.create_task(first.check())
            await asyncio.sleep(0.05)
        second, third = await asyncio.gather(use(2), use(3))  # the first one takes a moment to close
        assert second is not third
        await asyncio.gather(hanging, return_exceptions=True)
    await pool.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "no answer"),
        (TimeoutError("10 s are over"), "10 s are over"),
        (ProviderUnreachable("It is away."), "It is away."),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_failure_is_logged_with_a_reason_also_where_it_has_no_words(error: Exception, told: str) -> None:
    assert reason_of(error) == told
