"""`manage.py audit_key`: the public key that chain heads are signed with."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from audit import signing


class Command(BaseCommand):
    help = "Print the public key (Ed25519, base64) of the signatures on chain heads; make the key if there is none yet."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(signing.public_key())
        except (ImproperlyConfigured, OSError) as error:
            raise CommandError(str(error)) from error
