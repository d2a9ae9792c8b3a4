"""`manage.py demo`: load the demo, or bring it up to date. It can be run as often as one likes."""

import asyncio
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.models import Organization
from sessions_app.demo import engines, places, tenants
from sessions_app.demo.engines import Address, Answer, Silence
from sessions_app.demo.password import DemoPassword


class Command(BaseCommand):
    help = "Loads the demo: organizations acme and globex, a playground, and what runs in the engines that answer here."

    def handle(self, *args: Any, **options: Any) -> None:
        password = DemoPassword(settings.DATA_DIR, os.environ.get("PORTHOLE_DEMO_PASSWORD", ""))
        self._load_tenants(password)
        acme = tenants.acme()
        if settings.PORTHOLE_LOCAL_PROVIDER:
            tenants.add_playground(acme)
        lines = self._load_engines(acme)
        self.stdout.write(f"Address:   http://127.0.0.1:{settings.PORT}")
        for organization, members in tenants.MEMBERS.items():
            self.stdout.write(f"Accounts:  {', '.join(members)} ({organization})")
        self.stdout.write(f"Password:  {password}")
        self.stdout.write("\n".join(lines))

    def _load_tenants(self, password: DemoPassword) -> None:
        if not tenants.exist():
            tenants.create(password.for_new_accounts())
        elif password.differs:
            tenants.set_password(password.chosen)
        password.was_set()

    def _load_engines(self, acme: Organization) -> list[str]:
        """Ask the engines of this machine and take over what runs there. Tells what came of it, a line for each."""
        candidates = [engines.docker_address(os.environ), engines.kubernetes_address(os.environ)]
        outcomes: list[Answer | Silence] = [known for known in candidates if isinstance(known, Silence)]
        outcomes += asyncio.run(engines.ask([known for known in candidates if isinstance(known, Address)]))
        lines = []
        for outcome in outcomes:
            if isinstance(outcome, Silence):
                lines.append(f"Left out:  {outcome.kind.label}: {outcome.reason}")
            else:
                stacks = places.refresh(acme, outcome)
                counts = (f"{stack.name} ({stack.services.count()} services)" for stack in stacks)
                cut = "" if outcome.complete else f" The demo takes {engines.LIMIT} at most; more may run there."
                lines.append(f"Engine:    {outcome.name}: {', '.join(counts)}.{cut}")
        return lines or ["Engines:   none found (DOCKER_HOST and KUBECONFIG name others than the usual ones)"]
