"""What a provider, a stack or a service may say, checked before anything is stored. Each refusal is one clear sentence.

Those who manage an organization choose where the portal connects to, so an address may lead into the operator's own
network; what must not be reachable from the portal's machine has to be closed to it there (see docs/operations). Four
things are refused to them outright, because they would hand over the portal's machine itself: its own shells, unix
sockets, the identity of the portal's own pod, and a kubeconfig that runs programs or reads files.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from portal import kubeconfig
from portal.models import ProviderKind, SelectorKind

MAX_CREDENTIAL = 64 * 1024
MAX_ARGUMENTS = 64
MAX_ARGUMENT = 4096
MAX_COMMAND = 32 * 1024
"""Bytes of a whole command, as the backends have it: Kubernetes carries it in a URL."""

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?=([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?")
_DOCKER_LABEL = re.compile(r"[^=,\s\x00-\x1f\x7f]+=[^,\x00-\x1f\x7f]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]!-]+")
_PEM = re.compile(r"\s*-----BEGIN [A-Z0-9 ]+-----.*-----END [A-Z0-9 ]+-----\s*", re.DOTALL)

_OPTIONS: dict[ProviderKind, dict[str, type]] = {
    ProviderKind.DOCKER: {"host": str, "tls_verify": bool},
    ProviderKind.KUBERNETES: {"server": str, "context": str, "in_cluster": bool},
    ProviderKind.LOCAL: {},
}
_CREDENTIALS: dict[ProviderKind, set[str]] = {
    ProviderKind.DOCKER: {"ca", "cert", "key"},
    ProviderKind.KUBERNETES: {"kubeconfig", "token", "ca"},
    ProviderKind.LOCAL: set(),
}
_PEM_CREDENTIALS = frozenset({"ca", "cert", "key"})
# What a kubeconfig may not hold: each would make the portal run a program or read a file of its own machine.
_KUBECONFIG_REFUSED = {
    "cluster": ("certificate-authority",),
    "user": ("exec", "auth-provider", "tokenFile", "client-certificate", "client-key"),
}

SERVICE_SELECTORS = {
    ProviderKind.KUBERNETES: {SelectorKind.WORKLOAD, SelectorKind.LABELS, SelectorKind.NAME},
    ProviderKind.DOCKER: {SelectorKind.COMPOSE, SelectorKind.LABELS, SelectorKind.NAME},
    ProviderKind.LOCAL: {SelectorKind.NAME, SelectorKind.LABELS},
}
"""The ways to name containers that each kind of provider knows."""


def _error(field: str, sentence: str) -> ValidationError:
    return ValidationError({field: sentence})


def check_provider(kind: str, options: Mapping[str, Any], *, operator: bool) -> None:
    """Raises `ValidationError` for a kind or options that cannot be. `operator`: whoever runs the installation asks."""
    if kind not in ProviderKind.values:
        raise _error("kind", f"Choose one of {', '.join(ProviderKind.values)}.")
    chosen = ProviderKind(kind)
    if chosen is ProviderKind.LOCAL and not settings.PORTHOLE_LOCAL_PROVIDER:
        raise _error("kind", "The local provider is switched off. PORTHOLE_LOCAL_PROVIDER=1 allows it, for a demo.")
    if chosen is ProviderKind.LOCAL and not operator:
        raise _error("kind", "Only the operator of this installation can give shells on the portal's own machine.")
    known = _OPTIONS[chosen]
    for name, value in options.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise _error("options", f'A {kind} provider has no option "{name}". It has: {names}.')
        if not isinstance(value, known[name]):
            raise _error("options", f'"{name}" must be a {"yes or no" if known[name] is bool else "text"}.')
    if chosen is ProviderKind.DOCKER:
        _check_docker_host(options.get("host", ""), operator=operator)
    elif chosen is ProviderKind.KUBERNETES:
        if options.get("in_cluster") and not operator:
            raise _error("options", "Only the operator of this installation can lend out the portal's own identity.")
        if options.get("server"):
            _check_address(options["server"], {"https"})


def _check_docker_host(url: str, *, operator: bool) -> None:
    if url.startswith("unix://"):
        if not operator:
            raise _error("options", "Only the operator of this installation can add a socket of the portal's machine.")
        if not url.removeprefix("unix://").startswith("/") or "\0" in url:
            raise _error("options", "A unix socket is named by its full path, such as unix:///var/run/docker.sock.")
        return
    _check_address(url, {"tcp", "https"})


def _check_address(url: str, schemes: set[str]) -> None:
    ways = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
    try:
        parts = urlsplit(url)
        sound = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _error("options", f"Give the address as {ways}, a host and a port.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _error("options", "An address holds no user, password or query. Credentials have a place of their own.")


def check_credentials(kind: str, credentials: Mapping[str, Any]) -> None:
    """Raises `ValidationError` for credentials that this kind of provider does not know. Never quotes one."""
    known = _CREDENTIALS[ProviderKind(kind)]
    for name, value in credentials.items():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise _error("credentials", f"A {kind} provider takes these credentials: {names}.")
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_CREDENTIAL:
            raise _error("credentials", f'"{name}" must be a text of at most {MAX_CREDENTIAL} characters.')
        if name in _PEM_CREDENTIALS and not _PEM.fullmatch(value):
            raise _error("credentials", f'"{name}" must be in PEM form: -----BEGIN …----- to -----END …-----.')
    if ("cert" in credentials) != ("key" in credentials):
        raise _error("credentials", 'A client certificate needs both "cert" and "key".')
    if "kubeconfig" in credentials:
        _check_kubeconfig(credentials["kubeconfig"])


def _check_kubeconfig(text: str) -> None:
    try:
        config = kubeconfig.parse(text)
    except kubeconfig.Unreadable as error:
        sentence = "The kubeconfig is not plain YAML (without aliases) with clusters, users and contexts."
        raise _error("credentials", sentence) from error
    for section, refused in _KUBECONFIG_REFUSED.items():
        entries = config.get(f"{section}s")
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get(section), dict) for entry in entries
        ):
            raise _error("credentials", f'The kubeconfig needs a list "{section}s", each with a "{section}".')
        for entry in entries:
            for key in refused:
                if key in entry[section]:
                    raise _error(
                        "credentials",
                        f'The kubeconfig names "{key}", and the portal runs no programs and reads no files for it. '
                        "Put certificates in as …-data (kubectl config view --raw --flatten) and use a token.",
                    )
            if section == "cluster":
                server = entry[section].get("server")
                _check_address(server if isinstance(server, str) else "", {"https"})


def check_stack(kind: str, namespace: str) -> None:
    """Raises `ValidationError` for a namespace that the provider cannot have."""
    if kind == ProviderKind.KUBERNETES and not _DNS_LABEL.fullmatch(namespace):
        raise _error("namespace", "A Kubernetes namespace has lower-case letters, digits and hyphens, at most 63.")
    if kind == ProviderKind.DOCKER and namespace:
        form = _DOCKER_LABEL if "=" in namespace else _PROJECT
        if not form.fullmatch(namespace):
            raise _error("namespace", "Give a compose project, a label such as team=web, or nothing at all.")
    if kind == ProviderKind.LOCAL and namespace:
        raise _error("namespace", "The local provider has no namespaces: leave it empty.")


def check_selector(kind: str, selector_kind: str, selector: str, container_name: str) -> None:
    """Raises `ValidationError` for a selector that the provider cannot follow."""
    if selector_kind not in SERVICE_SELECTORS[ProviderKind(kind)]:
        ways = ", ".join(sorted(SERVICE_SELECTORS[ProviderKind(kind)]))
        raise _error("selector_kind", f"A {kind} provider selects by one of: {ways}.")
    if container_name and not _NAME.fullmatch(container_name):
        raise _error("container_name", "A container's name has letters, digits, dots, hyphens and underscores.")
    if kind == ProviderKind.LOCAL and not selector:
        return
    label = _DOCKER_LABEL if kind == ProviderKind.DOCKER else _LABEL
    sound, sentence = {
        SelectorKind.WORKLOAD: (_DNS_NAME.fullmatch(selector), "Give the name of a deployment or set, such as web."),
        SelectorKind.LABELS: (
            all(label.fullmatch(part) for part in selector.split(",")),
            "Give labels such as app=web,tier=front.",
        ),
        SelectorKind.COMPOSE: (_NAME.fullmatch(selector), "Give the name of a compose service, such as web."),
        SelectorKind.NAME: (_PATTERN.fullmatch(selector), "Give a name or a pattern such as web-*."),
    }[SelectorKind(selector_kind)]
    if not sound:
        raise _error("selector", sentence)


def check_command(command: object) -> None:
    """Raises `ValidationError` for what cannot be an argument vector. Nothing in it is ever read by a shell of ours."""
    if not isinstance(command, list) or not all(isinstance(argument, str) for argument in command):
        raise _error("default_command", 'Give a list of texts, such as ["bash", "-l"]; empty means the best shell.')
    if len(command) > MAX_ARGUMENTS or any(len(argument) > MAX_ARGUMENT for argument in command):
        raise _error("default_command", f"At most {MAX_ARGUMENTS} arguments of {MAX_ARGUMENT} characters each.")
    if command and not command[0].strip():
        raise _error("default_command", "The first argument names the program: it cannot be empty.")
    if command and command[0].startswith("-"):
        raise _error("default_command", "The first argument names the program: it cannot begin with a hyphen.")
    if any("\0" in argument for argument in command):
        raise _error("default_command", "An argument cannot hold a NUL character.")
    try:
        length = sum(len(argument.encode()) + 1 for argument in command)
    except UnicodeEncodeError as error:
        raise _error("default_command", "An argument holds a character that is not valid text.") from error
    if length > MAX_COMMAND:
        raise _error("default_command", f"The whole command may have {MAX_COMMAND} bytes.")
