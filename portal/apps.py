"""The tenants' world as a Django application."""

from contextlib import suppress
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal import checks, signals  # noqa: F401 - registers them
        from portal.api.errors import answer_with
        from portal.devices import NotGiven, Pending

        answer_with(Pending, 400)
        answer_with(NotGiven, 400)

        broker: Path = settings.BROKER_DIR
        for folder in (settings.DATA_DIR, settings.STATIC_ROOT, broker / "queue", broker / "control"):
            with suppress(OSError):  # `manage.py check` says what is wrong with the folder
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
