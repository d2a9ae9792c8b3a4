"""How a cluster is reached: a kubeconfig, a token with its CA, or the portal's own pod.

A kubeconfig can name programs to run and files to read. Whoever manages an organization may enter one, and must not
run programs or read files on the portal's machine that way: such a kubeconfig is refused.
"""

import base64
import binascii
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal import kubeconfig
from sessions_app.backends.base import ProviderMisconfigured

TOKEN_REREAD = 60.0
"""Seconds after which a pod's token file is read again: the kubelet replaces it."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, CA and namespace."""

_FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}


class Token:
    """A bearer token."""

    def __init__(self, value: str) -> None:
        self._value = value

    def current(self) -> str:
        """The token to send now."""
        return self._value


class TokenFile(Token):
    """A bearer token that is replaced from time to time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = time.monotonic()
        super().__init__(file.read_text().strip())

    def current(self) -> str:
        if time.monotonic() - self._read_at > TOKEN_REREAD:
            self._value = self._file.read_text().strip()
            self._read_at = time.monotonic()
        return self._value


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Everything it takes to speak to one API server. It holds credentials: keep it out of logs."""

    server: str
    ca: str = ""
    """PEM text; empty means the machine's own CAs."""
    verify: bool = True
    server_name: str = ""
    proxy: str = ""
    token: Token | None = None
    cert: str = ""
    key: str = ""
    namespace: str = ""
    """The context's own namespace, where it names one."""

    def __repr__(self) -> str:
        return f"<ClusterAccess {self.server}>"


def read_access(options: Mapping[str, Any], credentials: Mapping[str, str]) -> ClusterAccess:
    """From a provider's options and credentials. Raises `ProviderMisconfigured`."""
    if options.get("in_cluster"):
        return _in_cluster()
    if text := credentials.get("kubeconfig"):
        return _from_kubeconfig(text, str(options.get("context") or ""))
    token = credentials.get("token", "").strip()
    server = str(options.get("server") or credentials.get("server") or "")
    if not token or not server:
        raise ProviderMisconfigured(
            "A Kubernetes provider needs a kubeconfig, or the API server's address and a token."
        )
    return ClusterAccess(_address(server), ca=credentials.get("ca", ""), token=Token(_header_safe(token)))


def _in_cluster() -> ClusterAccess:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ProviderMisconfigured(
            "The portal does not run in a Kubernetes pod, so it has no identity of its own there."
        )
    try:
        token = TokenFile(SERVICE_ACCOUNT / "token")
        ca = (SERVICE_ACCOUNT / "ca.crt").read_text()
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError as error:
        raise ProviderMisconfigured(
            "The portal's pod has no service account token. Set automountServiceAccountToken (see deploy/kubernetes)."
        ) from error
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return ClusterAccess(address, ca=ca, token=token, namespace=namespace)


def _from_kubeconfig(text: str, context_name: str) -> ClusterAccess:
    try:
        config = kubeconfig.parse(text)
    except kubeconfig.Unreadable as error:
        raise ProviderMisconfigured(
            "The kubeconfig cannot be read: it is not plain YAML (without aliases) with clusters, users and contexts."
        ) from error
    context = _entry(config, "context", context_name or _text(config, "current-context"))
    cluster = _entry(config, "cluster", _text(context, "cluster"))
    user = _entry(config, "user", _text(context, "user"))
    _refuse_what_reaches_out(cluster, user)
    token = _text(user, "token").strip()
    return ClusterAccess(
        server=_address(_text(cluster, "server")),
        ca=_decoded(cluster, "certificate-authority-data"),
        verify=cluster.get("insecure-skip-tls-verify") is not True,
        server_name=_text(cluster, "tls-server-name"),
        proxy=_text(cluster, "proxy-url"),
        token=Token(_header_safe(token)) if token else None,
        cert=_decoded(user, "client-certificate-data"),
        key=_decoded(user, "client-key-data"),
        namespace=_text(context, "namespace"),
    )


def _entry(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    entries = config.get(f"{kind}s")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(kind), dict):
            return dict(entry[kind])
    raise ProviderMisconfigured(f"The kubeconfig has no {kind} “{name[:253]}”.")


def _text(section: Mapping[str, Any], key: str) -> str:
    """A text of the kubeconfig, empty where there is none."""
    value = section.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProviderMisconfigured(f"“{key}” in the kubeconfig must be a text.")
    return value


def _refuse_what_reaches_out(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    for key, instead in _FILES.items():
        if cluster.get(key) or user.get(key):
            raise ProviderMisconfigured(
                f"The kubeconfig names a file in “{key}”, and the portal reads no files for it. "
                f"Put its content in “{instead}” (kubectl config view --raw --flatten)."
            )
    for key in ("exec", "auth-provider"):
        if user.get(key):
            raise ProviderMisconfigured(
                f"The kubeconfig signs in by a program (“{key}”), and the portal runs none for it. "
                "Use a service account's token instead (see deploy/kubernetes)."
            )
    for key in ("username", "password", "as", "as-uid", "as-groups", "as-user-extra"):
        if user.get(key):
            raise ProviderMisconfigured(f"The kubeconfig uses “{key}”, which the portal cannot. Use a token instead.")


def _decoded(section: Mapping[str, Any], key: str) -> str:
    try:
        return base64.b64decode(_text(section, key), validate=False).decode()
    except (binascii.Error, ValueError) as error:
        raise ProviderMisconfigured(f"“{key}” in the kubeconfig is not base64 of PEM text.") from error


def _address(server: str) -> str:
    try:
        parts = urlsplit(server)
        sound = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or parts.username or parts.query or parts.fragment:
        raise ProviderMisconfigured(f"“{server}” is not the address of an API server, such as https://host:6443.")
    return server.rstrip("/")


def _header_safe(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ProviderMisconfigured(
            "The token holds characters that no token has: paste it again, without line breaks."
        )
    return token
