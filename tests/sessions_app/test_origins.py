"""Which Origin may open a WebSocket."""

from typing import Any

import pytest
from django.conf import LazySettings

from sessions_app.origins import origin_is_ours


@pytest.fixture(autouse=True)
def hosts(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["portal.example", ".wild.example", "127.0.0.1", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example"]


def scope(host: str | None, *origins: str, scheme: str = "wss", forwarded: str | None = None) -> dict[str, Any]:
    headers = [(b"origin", origin.encode("latin-1")) for origin in origins]
    if host is not None:
        headers.append((b"host", host.encode("latin-1")))
    if forwarded is not None:
        headers.append((b"x-forwarded-proto", forwarded.encode("latin-1")))
    return {"type": "websocket", "scheme": scheme, "headers": headers}


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("portal.example", "https://portal.example"),
        ("portal.example", "http://portal.example"),
        ("portal.example:8000", "http://portal.example:8000"),
        ("portal.example:443", "https://portal.example"),
        ("portal.example", "https://portal.example:443"),
        ("Portal.Example", "https://portal.example"),
        ("a.wild.example", "https://a.wild.example"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("portal.example", "https://trusted.example"),
    ],
)
def test_the_portals_own_origin_is_let_in(host: str, origin: str) -> None:
    assert origin_is_ours(scope(host, origin, scheme="wss" if origin.startswith("https") else "ws"))


@pytest.mark.parametrize(("scheme", "other"), [("wss", "http"), ("ws", "https")])
def test_the_same_host_by_the_other_scheme_is_another_origin(scheme: str, other: str) -> None:
    assert not origin_is_ours(scope("portal.example", f"{other}://portal.example", scheme=scheme))
    assert not origin_is_ours(scope("portal.example:8000", f"{other}://portal.example:8000", scheme=scheme))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "scheme"),
    [
        (1, "https", "https"),
        (1, "https, http", "https"),
        (1, "http", "http"),
        (1, "HTTPS", "http"),
        (1, None, "http"),
        (0, "https", "http"),
    ],
)
def test_behind_a_trusted_proxy_the_scheme_is_what_it_says(
    settings: LazySettings, proxies: int, forwarded: str | None, scheme: str
) -> None:
    settings.PORTHOLE_TRUSTED_PROXIES = proxies
    for asked in ("http", "https"):
        handshake = scope("portal.example", f"{asked}://portal.example", scheme="ws", forwarded=forwarded)
        assert origin_is_ours(handshake) == (asked == scheme)


def test_a_client_that_is_no_browser_sends_no_origin_and_is_let_in() -> None:
    assert origin_is_ours(scope("portal.example"))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "file://",
        "https://evil.example",
        "https://portal.example.evil.example",
        "https://evil-portal.example",
        "https://portal.example@evil.example",
        "https://evil.example#portal.example",
        "https://evil.example/portal.example",
        "https://evil.example?portal.example",
        "https://portal.example:8443",
        "http://portal.example:8000",
        "https://portal.example:99999",
        "https://portal.example:x",
        "https://sub.portal.example",
        "https://portal.example/",
        "https://portal.example?",
        "https://portal.example#",
        "https://user@portal.example",
        "ws://portal.example",
        "chrome-extension://portal.example",
        "portal.example",
        "//portal.example",
        "https://portal.example, https://evil.example",
        "https://trusted.example:444",
        "http://trusted.example",
        "https://sub.trusted.example",
        "https://[::1",
        "https://portal\u00ad.example",
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    assert not origin_is_ours(scope("portal.example", origin))


def test_two_origins_are_refused_even_if_one_is_ours() -> None:
    assert not origin_is_ours(scope("portal.example", "https://portal.example", "https://evil.example"))
    assert not origin_is_ours(scope("portal.example", "https://portal.example", "https://portal.example"))


@pytest.mark.parametrize("host", ["evil.example", "portal.example.evil.example", "", "a b", None])
def test_a_host_that_the_portal_does_not_answer_to_is_refused_whatever_the_origin(host: str | None) -> None:
    assert not origin_is_ours(scope(host))
    assert not origin_is_ours(scope(host, f"https://{host}"))
    assert not origin_is_ours(scope(host, "https://trusted.example"))


def test_two_hosts_are_refused() -> None:
    both = [(b"host", b"portal.example"), (b"host", b"evil.example")]
    assert not origin_is_ours({"headers": both})


def test_the_page_on_another_port_of_the_same_host_is_another_origin() -> None:
    for origin in ("http://127.0.0.1:8001", "http://127.0.0.1", "http://localhost:8000"):
        assert not origin_is_ours(scope("127.0.0.1:8000", origin, scheme="ws"))


def test_names_of_headers_count_in_any_case() -> None:
    assert not origin_is_ours({"headers": [(b"Host", b"portal.example"), (b"ORIGIN", b"https://evil.example")]})


def test_while_debugging_without_allowed_hosts_only_this_machine_is_ours(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    assert origin_is_ours(scope("localhost:8000", "http://localhost:8000", scheme="ws"))
    assert not origin_is_ours(scope("portal.example", "http://portal.example", scheme="ws"))
