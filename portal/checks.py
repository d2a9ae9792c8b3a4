"""What `manage.py check` and every start say about a risky or broken installation."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from audit import signing
from portal import sealing

MIN_KEY_LENGTH = 40
MIN_KEY_CHARACTERS = 10
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", ".localhost", "testserver"})


@register(Tags.security)
def secret_key_is_strong(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """SECRET_KEY signs logins and tickets and, without keys of its own, seals credentials."""
    key = settings.SECRET_KEY
    if len(key) >= MIN_KEY_LENGTH and len(set(key)) >= MIN_KEY_CHARACTERS and not key.startswith("django-insecure-"):
        return []
    return [
        Error(
            "SECRET_KEY is weak.",
            hint="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(50))'`.",
            id="portal.E001",
        )
    ]


@register(Tags.security)
def debug_stays_at_home(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """DEBUG shows source code and settings to whoever causes an error."""
    if not settings.DEBUG or set(settings.ALLOWED_HOSTS) <= LOOPBACK:
        return []
    return [
        Error(
            "DEBUG is on while ALLOWED_HOSTS names more than this machine.",
            hint="Unset DEBUG, or set ALLOWED_HOSTS to localhost.",
            id="portal.E002",
        )
    ]


@register(Tags.security)
def encryption_keys_are_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A key that cannot be used is found at the start, not at the first provider."""
    try:
        sealing.seal({"check": True})
    except ImproperlyConfigured as error:
        return [Error(str(error), id="portal.E003")]
    return []


@register(Tags.security)
def audit_key_is_a_key(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A key that cannot sign is found at the start, not when the first chain head is due."""
    try:
        signing.existing_public_key()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="portal.E005")]
    return []


@register()
def data_folder_is_writable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Journals live there, and the embedded database; a strict session does not start without."""
    folder: Path = settings.DATA_DIR
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data folder {folder} cannot be written.",
            hint="Create it for the user that runs Porthole, or set PORTHOLE_DATA_DIR to another folder.",
            id="portal.E004",
        )
    ]


@register(Tags.security)
def local_provider_is_for_demos(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Shells of the local provider run as the portal itself: they can read its keys and its database."""
    if not settings.PORTHOLE_LOCAL_PROVIDER or settings.DEBUG:
        return []
    return [
        Warning(
            "The local provider is on: its shells run on this machine as the user of the portal.",
            hint="Unset PORTHOLE_LOCAL_PROVIDER unless this is a demo.",
            id="portal.W001",
        )
    ]


@register(Tags.security)
def proxy_is_known(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Without it every client has the proxy's address: limits on guessing and the audit log would mean nothing."""
    origins = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if urlsplit(origin).scheme == "https"]
    if not origins or settings.PORTHOLE_TRUSTED_PROXIES:
        return []
    return [
        Warning(
            f"{origins[0]} is served over HTTPS, so a proxy stands in front, and PORTHOLE_TRUSTED_PROXIES is 0.",
            hint="Set PORTHOLE_TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For.",
            id="portal.W002",
        )
    ]
