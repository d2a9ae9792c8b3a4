"""Whether a WebSocket's Origin is the portal's own. Browsers send it and scripts on a page cannot forge it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEMES = {"ws": "http", "wss": "https"}


def origin_is_ours(scope: Mapping[str, Any]) -> bool:
    """True if no Origin was sent (no browser), or the portal's own, or one of CSRF_TRUSTED_ORIGINS.

    The portal's own is its scheme, host and port, all three, as this request came: what somebody on the way serves as
    http://… of the same host is not ours. The Host header must be one that the portal answers to, so that a name which
    an attacker points here is no way in.
    """
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    hosts = [value.decode("latin-1") for value in headers.get(b"host", [])]
    if len(hosts) != 1 or not _is_allowed(hosts[0]):
        return False
    origins = [value.decode("latin-1") for value in headers.get(b"origin", [])]
    if not origins:
        return True
    if len(origins) != 1:
        return False
    origin = origins[0]
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return False
    if parts.scheme != _own_scheme(scope, headers) or not parts.hostname:
        return False
    if origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:  # no browser sends more than that
        return False
    return (parts.hostname.lower(), port) == _host_and_port(hosts[0], parts.scheme)


def _own_scheme(scope: Mapping[str, Any], headers: Mapping[bytes, list[bytes]]) -> str:
    """Whether the browser came by http or https. A proxy in front that is trusted says it, as Django has it for pages
    (SECURE_PROXY_SSL_HEADER); from anybody else the header means nothing."""
    forwarded = headers.get(b"x-forwarded-proto")
    if settings.PORTHOLE_TRUSTED_PROXIES > 0 and forwarded:
        return "https" if forwarded[0].split(b",")[0].strip() == b"https" else "http"
    return _SCHEMES.get(scope.get("scheme", "ws"), "")


def _is_allowed(host: str) -> bool:
    domain, _port = split_domain_port(host)
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    return bool(domain) and validate_host(domain, allowed)


def _host_and_port(host: str, scheme: str) -> tuple[str, int | None]:
    domain, port = split_domain_port(host)
    return domain.strip("[]"), int(port) if port else _DEFAULT_PORTS[scheme]
