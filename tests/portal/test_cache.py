"""The cache when Redis is there, gone, and back: limits hold all the while, and nobody is locked out."""

import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django import Settings

from portal import cache
from portal.cache import SharedCache
from tests.portal.world import PASSWORD, Tenant, api
from tests.sessions_app.backends.relays import closed_port

TOKEN = "/api/v1/auth/token/"


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test hears of what another one found out about Redis, or counted without it."""
    monkeypatch.setattr(SharedCache, "_away_until", 0.0)
    yield
    SharedCache("redis://127.0.0.1:1", {})._own.clear()


def shared(url: str, prefix: str = "") -> SharedCache:
    return SharedCache(url, {"KEY_PREFIX": prefix or secrets.token_hex(8)})


@pytest.mark.redis
def test_what_one_process_writes_another_one_reads(redis_url: str) -> None:
    prefix = secrets.token_hex(8)
    one, other = shared(redis_url, prefix), shared(redis_url, prefix)
    one.set("key", [1, 2], 60)
    assert other.get("key") == [1, 2]
    assert not other.add("key", "another", 60)
    assert other.touch("key", 60)
    assert other.delete("key")
    assert one.get("key", "gone") == "gone"


def test_without_redis_each_process_counts_for_itself() -> None:
    here = shared(f"redis://{closed_port()}")
    here.set("key", [1], 60)
    assert here.get("key") == [1]
    assert not here.add("key", "another", 60)
    assert here.delete("key")
    assert here.get("key") is None
    here.set("count", 1, 60)
    assert here.incr("count") == 2


@pytest.mark.redis
def test_counts_from_several_processes_add_up_and_end_when_they_were_to(redis_url: str) -> None:
    prefix = secrets.token_hex(8)
    shared(redis_url, prefix).add("count", 1, 600)

    def count(_: int) -> None:
        shared(redis_url, prefix).incr("count")

    with ThreadPoolExecutor(8) as processes:
        list(processes.map(count, range(100)))
    here = shared(redis_url, prefix)
    assert here.get("count") == 101
    left = here._redis._cache.get_client().ttl(here._redis.make_key("count"))
    assert 300 < left <= 600
    assert here.delete("count")


@pytest.mark.redis
def test_redis_is_asked_again_after_a_while(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "RETRY_AFTER", 0.05)
    prefix = secrets.token_hex(8)
    shared(f"redis://{closed_port()}", prefix).set("key", "own", 60)
    deadline = time.monotonic() + 10
    while shared(redis_url, prefix).get("key") == "own":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_redis_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ANSWER_TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        here = shared(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        for number in range(50):
            here.set(f"key{number}", number, 60)
        assert time.monotonic() - began < 2
        assert here.get("key49") == 49


@pytest.fixture
def without_redis(settings: Settings) -> None:
    """A portal whose Redis does not run."""
    settings.CACHES = {"default": {"BACKEND": "portal.cache.SharedCache", "LOCATION": f"redis://{closed_port()}"}}


def test_without_redis_people_sign_in_and_guesses_are_stopped_all_the_same(acme: Tenant, without_redis: None) -> None:
    def sign_in(username: str, password: str) -> Any:
        return api().post(TOKEN, {"username": username, "password": password}, "json")

    token = sign_in("acme-owner", PASSWORD).json()["access"]
    assert api(token=token).get("/api/v1/organizations/").status_code == 200
    for _ in range(5):
        assert sign_in("acme-admin", "wrong").status_code == 401
    assert sign_in("acme-admin", PASSWORD).status_code == 429
    assert sign_in("acme-owner", PASSWORD).status_code == 200
