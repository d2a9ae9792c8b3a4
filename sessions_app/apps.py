"""Live sessions."""

from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        from portal.api.errors import answer_with
        from sessions_app.actions import LimitReached
        from sessions_app.backends.base import BackendError, CommandNotFound, ContainerGone, InvalidTarget
        from sessions_app.backends.consoles import NoConsoles
        from sessions_app.detaching import NotDetachable

        answer_with(InvalidTarget, 400)
        answer_with(ContainerGone, 404)
        answer_with(CommandNotFound, 422)
        answer_with(NoConsoles, 422)
        answer_with(BackendError, 502)
        answer_with(LimitReached, 409)
        answer_with(NotDetachable, 409)
