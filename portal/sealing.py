"""Encryption at rest of what must never be shown: providers' credentials.

The first of PORTHOLE_ENCRYPTION_KEYS seals, each of them opens. Without any, a key is derived from SECRET_KEY. To
rotate: put the new key first, run `manage.py rotate_encryption`, then take the old one away. The key that is derived
from SECRET_KEY always opens too, so that one may move from it to keys of one's own.
"""

import base64
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class SealError(Exception):
    """What was sealed cannot be opened with any of the keys at hand."""


def _derived_key() -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"porthole.sealing.v1")
    return base64.urlsafe_b64encode(derivation.derive(settings.SECRET_KEY.encode()))


def _ring() -> MultiFernet:
    try:
        keys: list[str | bytes] = [*settings.PORTHOLE_ENCRYPTION_KEYS, _derived_key()]
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "PORTHOLE_ENCRYPTION_KEYS holds something that is not a key. Make one with "
            "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
        ) from error


def seal(secret: dict[str, Any]) -> bytes:
    """Encrypt a mapping; an empty one becomes no bytes at all."""
    return _ring().encrypt(json.dumps(secret).encode()) if secret else b""


def unseal(sealed: bytes | memoryview) -> dict[str, Any]:
    """What `seal` was given. Raises `SealError`."""
    if not sealed:
        return {}
    try:
        opened: dict[str, Any] = json.loads(_ring().decrypt(bytes(sealed)))
    except InvalidToken as error:
        raise SealError(_LOST) from error
    return opened


def reseal(sealed: bytes | memoryview) -> bytes:
    """The same secret under the first key. Raises `SealError`."""
    if not sealed:
        return b""
    try:
        return _ring().rotate(bytes(sealed))
    except InvalidToken as error:
        raise SealError(_LOST) from error


_LOST = (
    "The stored credentials cannot be decrypted with PORTHOLE_ENCRYPTION_KEYS or SECRET_KEY. "
    "Put the key they were encrypted with back, or enter the credentials again."
)
