"""What an API server, or the way to it, answers: in plain words."""

import contextlib
import json
import logging
import re
import socket
import ssl
from collections.abc import Iterator

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
from sessions_app.backends.launch import printable

MAX_LOGGED = 300
"""Characters of what an API server said that go to the log."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
NO_API_SERVER = (
    "What is at the provider's address does not answer like a Kubernetes API server. Check the address and its port."
)

logger = logging.getLogger(__name__)

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r'.*?(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope|$)'
)
_ADMISSION = re.compile(r" is forbidden: (?P<why>(?!User ).+)", re.DOTALL)
_EXIT_CODE = re.compile(r"[0-9]{1,9}")
NO_PROGRAM = re.compile(r"executable file not found|no such file or directory|OCI runtime exec failed", re.IGNORECASE)


def explain(error: Exception, server: str, about: str) -> BackendError:
    """Why a call or a connection failed, in words that anybody may read: where it led to is for the log. `about` names
    what it was about, such as "the pod web-1"."""
    match error:
        case ApiException():
            return explain_status(int(error.status or 500), _message(error), about)
        case aiohttp.WSServerHandshakeError():
            return explain_status(error.status, "", about)
        case aiohttp.ClientResponseError():
            # Its own text holds the request's address, and with it a command.
            logger.warning("the API server at %s: %s", server, type(error).__name__)
        case _:
            logger.warning(
                "the API server at %s: %s", server, printable(f"{type(error).__name__}: {error}", MAX_LOGGED)
            )
    return _explain_connection(error)


def explain_status(status: int, message: str, about: str) -> BackendError:
    """An API server's error answer, in words of ours; its own `message` goes to the log. It is empty where the answer's
    body could not be read."""
    logger.warning("an API server answered %d about %s: %s", status, about or "-", printable(message, MAX_LOGGED))
    if status == 401:
        return ProviderMisconfigured("The cluster does not accept the provider's credentials. Renew its token.")
    if status == 403 and (found := _ADMISSION.search(message)):
        # A quota, a limit range or a policy of the namespace: nobody but the cluster knows its numbers.
        return ProviderRefused(f"The cluster does not admit {about}: {printable(found['why'], MAX_LOGGED)}")
    if status == 403:
        return ProviderRefused(forbidden(message, about))
    if status == 404:
        return ContainerGone(f"{_upper(about) or 'What was asked for'} does not exist any more.")
    if status in (429, 502, 503, 504):
        return ProviderUnreachable("The API server is overloaded or starting. Try again in a moment.")
    if NO_PROGRAM.search(message):
        return CommandNotFound("The container has no such program.")
    return BackendError(
        f"The cluster answered with an error ({status}) about {about or 'the request'}. "
        "Try again; the portal's log has what it said."
    )


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Around the reading of an answer: what has not the shape of an API server's is `ProviderMisconfigured`."""
    try:
        yield
    except MALFORMED as error:
        logger.warning("an answer that is no API server's: %s", type(error).__name__, exc_info=True)
        raise ProviderMisconfigured(NO_API_SERVER) from error


def forbidden(message: str, about: str) -> str:
    """Which right is missing, and where it is to be had."""
    if found := _FORBIDDEN.search(message):
        user, verb, resource, namespace = (printable(word or "", 100) for word in found.groups())
        place = f"in namespace “{namespace}”" if namespace else "in the whole cluster"
        role = "Role for consoles" if resource == "pods" and verb in ("create", "delete") else "Role"
        return (
            f"The cluster does not let “{user}” {verb} {resource} {place}. "
            f"Apply the {role} of deploy/kubernetes there and bind it to that user."
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
        told = str(cause.get("message")) if isinstance(cause, dict) and cause.get("reason") == "ExitCode" else ""
        if _EXIT_CODE.fullmatch(told):
            return int(told), None
    logger.warning("a cluster ended a stream: %s", printable(message, MAX_LOGGED))
    if NO_PROGRAM.search(message):
        return None, CommandNotFound("The container has no such program.")
    return None, BackendError("The cluster ended the stream with an error. The portal's log has what it said.")


def _explain_connection(error: BaseException) -> BackendError:
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return ProviderMisconfigured(
                "The API server's certificate is not one that the provider's CA has signed. Correct the CA."
            )
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return ProviderUnreachable("The API server's host name cannot be resolved. Check its address.")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return ProviderMisconfigured(
                "No TLS connection with the API server: check its port, CA and client certificate."
            )
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return ProviderUnreachable(
                "Nothing listens at the API server's address. Check the address, and that the server runs."
            )
        case TimeoutError():
            return ProviderUnreachable("The API server did not answer in time. Check that it runs, and try again.")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return ProviderUnreachable("The connection to the API server broke. Try again in a moment.")
        case aiohttp.ClientError():
            return ProviderMisconfigured(NO_API_SERVER)
    return ProviderUnreachable("The connection to the API server failed. Try again in a moment.")


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason or "no reason given")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
