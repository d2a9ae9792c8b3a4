"""The Ed25519 key that signs chain heads.

PORTHOLE_AUDIT_KEY is its 32 bytes in base64. Without it, a key is made in the data directory, for its owner alone.
"""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
KEY_FILE = "audit-key"


class BadKeyError(ValueError):
    """A text that is no Ed25519 key."""


def sign(content: bytes) -> str:
    """The signature of `content` by the portal's key, in base64. Raises `ImproperlyConfigured` if that is no key."""
    return _text(private_key().sign(content))


def is_signed(content: bytes, signature: str, public: str) -> bool:
    """Whether `signature` is that of `content` by the owner of the key `public`. False for what is no base64."""
    try:
        Ed25519PublicKey.from_public_bytes(decode_key(public)).verify(base64.b64decode(signature), content)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def public_key() -> str:
    """The public half of the portal's key, in base64. Raises `ImproperlyConfigured` as `sign` does."""
    return _text(private_key().public_key().public_bytes_raw())


def existing_public_key() -> str | None:
    """The same for whoever only checks: None where there is no key yet, and none is made."""
    return public_key() if settings.PORTHOLE_AUDIT_KEY or _path().exists() else None


def fingerprint(public: str) -> str:
    """A short name of a public key, to compare by eye."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def private_key() -> Ed25519PrivateKey:
    """The portal's own key; made now if there is none."""
    try:
        return Ed25519PrivateKey.from_private_bytes(decode_key(settings.PORTHOLE_AUDIT_KEY or _stored()))
    except BadKeyError as error:
        where = "PORTHOLE_AUDIT_KEY" if settings.PORTHOLE_AUDIT_KEY else str(_path())
        raise ImproperlyConfigured(
            f"{where} holds no key: it takes 32 bytes in base64. Make one with "
            "`python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())'`."
        ) from error


def decode_key(text: str) -> bytes:
    """The 32 bytes of a private or public key in base64. Raises `BadKeyError`."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise BadKeyError("This is not base64.") from error
    if len(key) != KEY_BYTES:
        raise BadKeyError(f"An Ed25519 key has {KEY_BYTES} bytes, this has {len(key)}.")
    return key


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _path() -> Path:
    return Path(settings.DATA_DIR) / KEY_FILE


def _stored() -> str:
    path = _path()
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_text(secrets.token_bytes(KEY_BYTES)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Of two processes that start at once, one makes the key: link refuses where rename would replace.
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
