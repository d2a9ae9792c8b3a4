"""The one password of the demo's accounts: the operator's, or one that is made once and kept in the data directory."""

import os
import secrets
from pathlib import Path

from django.utils.crypto import salted_hmac

FILE = "demo_password"
_CHOSEN = "PORTHOLE_DEMO_PASSWORD:"


class DemoPassword:
    """What is known of the password. A generated one is kept as it is, for it is printed at every start; of the
    operator's only a keyed digest, to notice another one."""

    def __init__(self, data: Path, chosen: str) -> None:
        self._path = data / FILE
        self.chosen = chosen
        self._kept = self._path.read_text(encoding="utf-8").strip() if self._path.exists() else ""

    @property
    def _mark(self) -> str:
        return _CHOSEN + salted_hmac("porthole.demo.password", self.chosen, algorithm="sha256").hexdigest()

    @property
    def differs(self) -> bool:
        """Did the operator choose another password than the accounts were given last?"""
        return bool(self.chosen) and self._kept != self._mark

    def for_new_accounts(self) -> str:
        """The password to create the accounts with."""
        if self.chosen:
            return self.chosen
        if not self._kept or self._kept.startswith(_CHOSEN):
            self._keep(secrets.token_urlsafe(12))
        return self._kept

    def was_set(self) -> None:
        """Remember that the accounts have the operator's password now, if there is one."""
        if self.chosen:
            self._keep(self._mark)

    def _keep(self, text: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self._kept = text

    def __str__(self) -> str:
        """What to tell the person who started the demo."""
        if self.chosen:
            return "the one in PORTHOLE_DEMO_PASSWORD"
        if not self._kept or self._kept.startswith(_CHOSEN):
            return "unchanged; PORTHOLE_DEMO_PASSWORD sets another one"
        return self._kept
