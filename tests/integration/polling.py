"""Waiting for a condition with a deadline: no test sleeps for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

TICK = 0.05


@overload
async def until(condition: Callable[[], Awaitable[T | None]], what: str, *, within: float = 15.0) -> T: ...
@overload
async def until(condition: Callable[[], T | None], what: str, *, within: float = 15.0) -> T: ...
async def until(condition: Callable[[], object], what: str, *, within: float = 15.0) -> object:
    """The condition's first true value. AssertionError that names `what` and the last value after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what} (last seen: {value!r})")
        await asyncio.sleep(TICK)
