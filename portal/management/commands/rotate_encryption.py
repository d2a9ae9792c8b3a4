"""`manage.py rotate_encryption`: seal every provider's credentials under the first of PORTHOLE_ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import PORTAL
from portal import actions
from portal.models import Provider
from portal.sealing import SealError


class Command(BaseCommand):
    help = "Seal all stored credentials again, under the first of PORTHOLE_ENCRYPTION_KEYS. Safe to run at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        providers = list(Provider.objects.exclude(sealed_credentials=b"").order_by("pk"))
        failed = 0
        for number, provider in enumerate(providers, 1):
            try:
                actions.reseal_credentials(actor=PORTAL, provider=provider)
                self.stdout.write(f"{number}/{len(providers)} {provider.slug}: sealed again")
            except SealError as error:
                failed += 1
                self.stderr.write(f"{number}/{len(providers)} {provider.slug}: {error}")
        if failed:
            raise CommandError(f"{failed} of {len(providers)} could not be opened. Keep the old keys until they can.")
        self.stdout.write(f"{len(providers)} sealed under the first key. Older keys are no longer needed.")
