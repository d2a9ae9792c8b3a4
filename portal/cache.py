"""The cache that the web processes share in Redis, and what stands in for it while Redis does not answer.

What is cached here are counts: of failed sign-ins, and of API requests. They must not vanish with Redis, nor must
everybody be locked out with it. So each process counts for itself meanwhile: with four of them, a guesser has at most
four times as many tries.
"""

import logging
from time import monotonic
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 1.0
"""Seconds that Redis has to take a connection, and to answer."""

RETRY_AFTER = 5.0
"""Seconds for which Redis is left alone once it did not answer: no request waits for it in vain meanwhile."""


class SharedCache(BaseCache):
    """Redis, or this process's own memory while Redis does not answer."""

    _away_until = 0.0
    """For all threads, each of which has an instance of its own."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        timeouts = {"socket_connect_timeout": ANSWER_TIMEOUT, "socket_timeout": ANSWER_TIMEOUT}
        self._redis = RedisCache(server, {**params, "OPTIONS": timeouts | params.get("OPTIONS", {})})
        self._own = LocMemCache("while Redis is away", {**params, "OPTIONS": {}})

    def _ask(self, method: str, *args: Any) -> Any:
        if monotonic() >= SharedCache._away_until:
            try:
                return getattr(self._redis, method)(*args)
            except (RedisError, OSError) as error:
                SharedCache._away_until = monotonic() + RETRY_AFTER
                logger.warning("Redis does not answer (%s): this process counts for itself", type(error).__name__)
        return getattr(self._own, method)(*args)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("add", key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._ask("get", key, default, version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask("set", key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("touch", key, timeout, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return int(self._ask("incr", key, delta, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._ask("delete", key, version))

    def clear(self) -> None:
        self._ask("clear")
