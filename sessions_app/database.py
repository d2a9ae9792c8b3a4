"""The database from the event loop: a few threads of our own, so that sessions never wait for a page's query."""

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connection

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 4
"""Connections to the database that a process uses for its live sessions."""

TIMEOUT = 15.0
"""Seconds one call may take, the wait for a thread included."""

REST = 30.0
"""Seconds after which a connection is tried before it is used again."""

_used = threading.local()
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="porthole-database")


def _call(function: Callable[[], R]) -> R:
    # A connection that rested may be gone (a database restarts, a firewall forgets): look before it is needed.
    rested = monotonic() - getattr(_used, "at", 0.0) > REST
    if rested and connection.connection is not None and not connection.is_usable():
        connection.close()
    _used.at = monotonic()
    try:
        return function()
    except DatabaseError:
        # The connection outlives a call; after an error it may be dead, and the next call opens a fresh one.
        connection.close()
        raise


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a synchronous function that uses the database in one of the threads. Raises `TimeoutError`."""
    loop = asyncio.get_running_loop()
    call = loop.run_in_executor(_threads, _call, functools.partial(function, *args, **kwargs))
    async with asyncio.timeout(TIMEOUT):
        return await call
