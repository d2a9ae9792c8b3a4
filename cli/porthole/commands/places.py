"""`orgs`, `stacks`, `services`, `containers`: what there is."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from porthole.commands.completion import complete_service
from porthole.commands.options import AsJson, NoAnsi

Json = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (orgs, stacks, services, containers):
        app.command()(command)


def show(
    found: Sequence[Json],
    columns: dict[str, Callable[[Json], object]],
    *,
    empty: str,
    as_json: bool,
    no_ansi: bool,
) -> None:
    """A list as the person asked for it. JSON is what the portal said."""
    from porthole import printing

    if as_json:
        printing.as_json(found)
        return
    rows = [[str(cell(each) if cell(each) is not None else "") for cell in columns.values()] for each in found]
    printing.table(tuple(columns), rows, empty=empty, ansi=not no_ansi)


def orgs(as_json: AsJson = False, no_ansi: NoAnsi = False) -> None:
    """List your organizations."""
    from porthole.portal import signed_in

    columns: dict[str, Callable[[Json], object]] = {
        "id": lambda each: each["id"],
        "slug": lambda each: each["slug"],
        "name": lambda each: each["name"],
    }
    empty = "You belong to no organization. Ask whoever manages yours to add you."
    show(signed_in().every("organizations/"), columns, empty=empty, as_json=as_json, no_ansi=no_ansi)


def stacks(as_json: AsJson = False, no_ansi: NoAnsi = False) -> None:
    """List the stacks that are open to you."""
    from porthole.portal import signed_in

    columns: dict[str, Callable[[Json], object]] = {
        "id": lambda each: each["id"],
        "slug": lambda each: each["slug"],
        "name": lambda each: each["name"],
        "provider": lambda each: each["provider_kind"],
        "namespace": lambda each: each["namespace"],
    }
    empty = "No stack is open to you. Ask whoever manages your organization for a grant."
    show(signed_in().every("stacks/"), columns, empty=empty, as_json=as_json, no_ansi=no_ansi)


def services(
    stack: Annotated[str, typer.Option(help="Only those of this stack, by slug or name.")] = "",
    as_json: AsJson = False,
    no_ansi: NoAnsi = False,
) -> None:
    """List the services that are open to you, and what you may do there."""
    from porthole.portal import signed_in

    found = signed_in().every("services/")
    if stack:
        found = [each for each in found if stack in (each["stack_slug"], each["stack_name"])]
    columns: dict[str, Callable[[Json], object]] = {
        "id": lambda each: each["id"],
        "service": lambda each: f"{each['stack_slug']}/{each['slug']}",
        "name": lambda each: each["name"],
        "you may": lambda each: " ".join(each["permissions"]),
    }
    empty = "No service is open to you. Ask whoever manages your organization for a grant."
    show(found, columns, empty=empty, as_json=as_json, no_ansi=no_ansi)


def containers(
    service: Annotated[
        str, typer.Argument(help="stack/service, a service's name or its number.", autocompletion=complete_service)
    ],
    as_json: AsJson = False,
    no_ansi: NoAnsi = False,
) -> None:
    """List a service's containers as they run now."""
    from porthole import naming, printing
    from porthole.portal import signed_in

    portal = signed_in()
    found = portal.get(f"services/{naming.service(portal, service)['id']}/containers/")
    columns: dict[str, Callable[[Json], object]] = {
        "pod": lambda each: each["pod_name"],
        "container": lambda each: each["container_name"],
        "image": lambda each: each["image"],
        "state": lambda each: each["state"] + ("" if each["ready"] else ", not ready"),
        "started": lambda each: printing.when(each["started_at"]),
    }
    if not any(each["pod_name"] for each in found):
        del columns["pod"]
    empty = "Nothing of this service runs now."
    show(found, columns, empty=empty, as_json=as_json, no_ansi=no_ansi)
