"""What an API server, or the way to it, answers: in plain words."""

import json
import re
import socket
import ssl

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from sessions_app.backends.base import (
    BackendError,
    CommandNotFound,
    ContainerGone,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
)

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r'.*?(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope|$)'
)
_NO_PROGRAM = re.compile(r"executable file not found|no such file or directory|OCI runtime exec failed", re.IGNORECASE)


def explain(error: Exception, server: str, about: str) -> BackendError:
    """Why a call or a connection failed. `about` names what it was about, such as "the pod web-1"."""
    match error:
        case ApiException():
            return explain_status(int(error.status or 500), _message(error), about)
        case aiohttp.WSServerHandshakeError():
            return explain_status(error.status, "", about)
    return _explain_connection(error, f"the API server at {server}")


def explain_status(status: int, message: str, about: str) -> BackendError:
    """An API server's error answer; `message` is empty where its body could not be read."""
    if status == 401:
        return ProviderMisconfigured("The cluster does not accept the provider's credentials. Renew its token.")
    if status == 403:
        return ProviderRefused(forbidden(message, about))
    if status == 404:
        return ContainerGone(f"{_upper(about)} does not exist any more." if about else f"The cluster says: {message}")
    if status in (429, 502, 503, 504):
        return ProviderUnreachable("The API server is overloaded or starting. Try again in a moment.")
    if _NO_PROGRAM.search(message):
        return CommandNotFound(message)
    return BackendError(
        f"The cluster answered with an error ({status}) about {about or 'the request'}: {message[:300]}"
    )


def forbidden(message: str, about: str) -> str:
    """Which right is missing, and where it is to be had."""
    if found := _FORBIDDEN.search(message):
        place = f"in namespace “{found['namespace']}”" if found["namespace"] else "in the whole cluster"
        return (
            f"The cluster does not let “{found['user']}” {found['verb']} {found['resource']} {place}. "
            "Apply the Role of deploy/kubernetes there and bind it to that user."
        )
    return (
        f"The cluster does not let the portal do this to {about}: it needs the verbs get and create on pods/exec. "
        "Apply the Role of deploy/kubernetes in that namespace."
    )


def explain_exec_status(status: object) -> tuple[int | None, BackendError | None]:
    """An exec's last message on the status channel: its exit code, or what broke. The shape is Kubernetes' `Status`."""
    if not isinstance(status, dict):
        return None, None
    if status.get("status") == "Success":
        return 0, None
    message = str(status.get("message") or "no reason given")
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else []:
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode" and str(cause.get("message")).isdecimal():
            return int(cause["message"]), None
    if _NO_PROGRAM.search(message):
        return None, CommandNotFound(message)
    return None, BackendError(f"The cluster ended the stream: {message[:300]}")


def _explain_connection(error: BaseException, where: str) -> BackendError:
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return ProviderMisconfigured(f"The certificate of {where} is not one that the provider's CA has signed.")
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return ProviderUnreachable(f"The name of {where} cannot be resolved.")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return ProviderMisconfigured(f"No TLS connection with {where}: check its port, CA and client certificate.")
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return ProviderUnreachable(f"Nothing listens for {where}. Check its address and that it runs.")
        case TimeoutError():
            return ProviderUnreachable(f"No answer from {where} in time.")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return ProviderUnreachable(f"The connection to {where} broke.")
        case aiohttp.ClientError():
            return ProviderMisconfigured(f"What answers for {where} is not a Kubernetes API server.")
    return ProviderUnreachable(f"The connection to {where} failed.")


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason or "no reason given")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
