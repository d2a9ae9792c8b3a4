"""Makes the backend of a provider's kind."""

from collections.abc import Mapping
from typing import Any

from sessions_app.backends.base import Backend, ProviderMisconfigured


def open_backend(kind: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Backend:
    """The backend for a provider. Nothing is reached yet; raises `ProviderMisconfigured` for what cannot be used.

    Must be called on the event loop that will use it. `options` and `credentials` are described by each backend.
    """
    # Imported here, so that a process loads only the client libraries of the providers it has.
    match kind:
        case "docker":
            from sessions_app.backends.docker import DockerBackend

            return DockerBackend(options, credentials)
        case "kubernetes":
            from sessions_app.backends.kubernetes import KubernetesBackend

            return KubernetesBackend(options, credentials)
        case "local":
            from sessions_app.backends.local import LocalBackend

            return LocalBackend()
    raise ProviderMisconfigured(f"There is no kind of provider called “{kind}”.")
