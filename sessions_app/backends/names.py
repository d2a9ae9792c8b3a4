"""Names, selectors and argument vectors are checked here before anything is sent to a provider.

A name that no provider could have made is an `InvalidTarget`: it never becomes part of a URL, so `../`, `%2f` and `?`
cannot lead a request elsewhere.
"""

import re
from collections.abc import Mapping, Sequence

from sessions_app.backends.base import ExecRequest, InvalidTarget

MAX_ARGV_BYTES = 32 * 1024
"""Bytes of one argument vector in all. Kubernetes carries it in a URL."""

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_DNS_LABEL)
_POD = re.compile(rf"{_DNS_LABEL}(\.{_DNS_LABEL})*")
_DOCKER_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_SESSION_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]!-]{1,500}")


def namespace(value: str) -> str:
    """A Kubernetes namespace."""
    return _checked(_NAMESPACE, value, 63, "namespace")


def pod(value: str) -> str:
    """A pod's or a workload's name."""
    return _checked(_POD, value, 253, "pod or workload name")


def pod_container(value: str) -> str:
    """The name of a container in a pod."""
    return _checked(_NAMESPACE, value, 63, "container name")


def docker_container(value: str) -> str:
    """A container's name or id at a Docker Engine."""
    return _checked(_DOCKER_CONTAINER, value, 255, "container name")


def session_uid(value: str) -> str:
    """A session's uid."""
    return _checked(_SESSION_UID, value, 64, "session uid")


def pattern(value: str) -> str:
    """A shell pattern for names, such as `web-*`."""
    return _checked(_PATTERN, value, 500, "name pattern")


def labels(value: str) -> dict[str, str]:
    """A Kubernetes label selector of the form `key=value,key=value`."""
    found = _pairs(value)
    for key, wanted in found.items():
        _checked(_LABEL_KEY, key, 317, "label")
        _checked(_LABEL_VALUE, wanted, 63, "label value", empty=True)
    return found


def docker_labels(value: str) -> dict[str, str]:
    """The same for Docker, whose labels may hold anything printable."""
    found = _pairs(value)
    for key, wanted in found.items():
        docker_label(key)
        if wanted:
            docker_label(wanted)
    return found


def docker_label(value: str) -> str:
    """A key or value of a Docker label."""
    if not value or len(value) > 253 or not value.isprintable():
        raise InvalidTarget(f"{_shown(value)} is not a label that a container could have.")
    return value


def _pairs(value: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in value.split(",")]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidTarget(f"The label selector {_shown(value)} must read like app=web,tier=front.")
    return {key: wanted for key, _, wanted in pairs}


def exec_request(request: ExecRequest) -> None:
    """Raise `InvalidTarget` unless the request's uid, command and environment can be sent unchanged."""
    session_uid(request.session_uid)
    argv(request.argv)
    environment(request.env)


def argv(words: Sequence[str]) -> None:
    """Raise `InvalidTarget` for a vector that could not arrive as it is."""
    for word in words:
        _text(word, "command")
    if sum(len(word.encode()) + 1 for word in words) > MAX_ARGV_BYTES:
        raise InvalidTarget(f"The command is longer than {MAX_ARGV_BYTES} bytes.")
    if words and (not words[0] or words[0].startswith("-")):
        raise InvalidTarget("The command must begin with the name of a program, and that cannot begin with “-”.")


def environment(variables: Mapping[str, str]) -> None:
    """Raise `InvalidTarget` for a name that a shell could not export or a value with a NUL byte."""
    for name, value in variables.items():
        if not _ENV_NAME.fullmatch(name):
            raise InvalidTarget(f"{_shown(name)} is not the name of an environment variable.")
        _text(value, "environment")


def _text(value: str, what: str) -> None:
    if "\0" in value:
        raise InvalidTarget(f"The {what} holds a NUL character, which no program can be given.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidTarget(f"The {what} holds a character that is not valid text.") from error


def _checked(grammar: re.Pattern[str], value: str, longest: int, what: str, *, empty: bool = False) -> str:
    if (value or empty) and len(value) <= longest and grammar.fullmatch(value):
        return value
    raise InvalidTarget(f"{_shown(value)} is not a valid {what}.")


def _shown(value: str) -> str:
    return f"“{ascii(value[:80])[1:-1]}”"
