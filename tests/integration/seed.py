"""Prepares the database of an installation: the schema, the demo, and a service in each engine that runs here.

Run as a program, with the installation's environment. What only an operator may do (a unix socket as provider) is done
here; everything else the tests do over the API.
"""

import json
import os
from pathlib import Path
from typing import Any

import django


def add_engine(kind: str, *, options: dict[str, Any], credentials: dict[str, str], namespace: str) -> int:
    """A provider with a stack. Returns the stack's id."""
    from audit.events import PORTAL
    from portal import actions
    from sessions_app.demo.tenants import acme

    provider = actions.create_provider(
        actor=PORTAL, organization=acme(), slug=kind, name=kind, kind=kind, options=options, credentials=credentials,
        operator=True,
    )  # fmt: skip
    return actions.create_stack(actor=PORTAL, provider=provider, slug=kind, name=kind, namespace=namespace).pk


def main() -> None:
    """Print the id of the stack on each kind of provider, as JSON."""
    django.setup()
    from django.core.management import call_command

    from portal.models import Stack
    from sessions_app.demo import kubeconfig

    call_command("migrate", verbosity=0)
    call_command("demo", stdout=Path(os.devnull).open("w"))  # noqa: SIM115 - the process ends with it
    stacks = {"local": Stack.objects.get(slug="playground").pk}
    if host := os.environ.get("TESTBED_DOCKER_HOST"):
        stacks["docker"] = add_engine("docker", options={"host": host}, credentials={}, namespace="")
    if path := os.environ.get("TESTBED_KUBECONFIG"):
        credentials = {"kubeconfig": kubeconfig.current(Path(path))}
        namespace = os.environ["PORTHOLE_TEST_NAMESPACE"]
        stacks["kubernetes"] = add_engine("kubernetes", options={}, credentials=credentials, namespace=namespace)
    print(json.dumps(stacks))  # noqa: T201 - what the tests read


if __name__ == "__main__":
    main()
