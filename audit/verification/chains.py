"""Checks one chain: its sequence, its hashes, its links, and its end against the chain's own row."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.apps import apps

from audit.chain import COLUMNS, GENESIS, link
from audit.models import Chain, ChainHead, Event
from audit.verification.findings import Finding, Progress, Result

BATCH = 1000
"""Events in memory at a time."""


class ChainName(NamedTuple):
    """One chain, and how a person calls it."""

    organization: int | None
    name: str


class _Link(NamedTuple):
    """One row as it stands."""

    pk: int
    sequence: int
    previous_hash: str
    hash: str
    columns: dict[str, Any]


def chains_of(slug: str | None = None) -> list[ChainName]:
    """All chains of which anything is left, or that of the organization with this slug. LookupError without one."""
    organizations: dict[int, str] = dict(apps.get_model("portal", "Organization").objects.values_list("pk", "slug"))
    if slug is not None:
        return [ChainName(pk, name) for pk, name in organizations.items() if name == slug] or _unknown(slug)
    keys: set[int | None] = set()
    for model in (Chain, ChainHead, Event):
        keys.update(model._base_manager.order_by().values_list("organization_id", flat=True).distinct())
    known = [ChainName(key, _name(key, organizations)) for key in keys]
    return sorted(known, key=lambda chain: chain.organization or 0)


def check_chain(chain: ChainName, progress: Progress) -> Result:
    """Follow the chain from its first event to its last, and stop at the first place that is wrong."""
    row = Chain.objects.filter(organization=chain.organization).first()
    length, head = (row.length, row.head) if row else (0, "")
    last = _Link(0, 0, "", GENESIS, {})
    for event in _links(chain.organization):
        if fault := _fault(chain, last, event):
            return Result(last.sequence, (Finding(fault),))
        if event.sequence == length and event.hash != head:
            fault = f"{_place(event)} of {chain.name} is not the one that the chain's row names: one was replaced."
            return Result(last.sequence, (Finding(fault),))
        last = event
        if last.sequence % BATCH == 0:
            progress(last.sequence, length)
    fault = _fault_at_the_end(chain, last.sequence, length)
    return Result(last.sequence, (Finding(fault),) if fault else ())


def _links(organization: int | None) -> Iterator[_Link]:
    """The rows in their order. By slices, so that no statement stays open and memory stays flat."""
    events = Event.objects.of_chain(organization).values_list("pk", "sequence", "previous_hash", "hash", *COLUMNS)
    position = -1
    while rows := list(events.filter(sequence__gt=position)[:BATCH]):
        for pk, sequence, previous_hash, hash_, *values in rows:
            yield _Link(pk, sequence, previous_hash, hash_, dict(zip(COLUMNS, values, strict=True)))
        position = rows[-1][1]


def _fault(chain: ChainName, last: _Link, event: _Link) -> str | None:
    expected = last.sequence + 1
    if event.sequence > expected:
        missing = _missing(expected, event.sequence - 1)
        return f"{missing} missing from {chain.name}: after event {last.sequence} comes {_place(event, lower=True)}."
    if event.sequence < expected:
        return f"{_place(event)} of {chain.name} stands there twice."
    fits = link(chain.organization, event.sequence, event.previous_hash, event.columns) == event.hash
    follows = event.previous_hash == last.hash
    if not fits:
        what = (
            "was changed: what it says does not fit its hash"
            if follows
            else ("is out of place: it neither fits its hash nor follows the event before, so it was moved or replaced")
        )
        return f"{_place(event)} of {chain.name} {what}."
    if not follows:
        return f"{_place(event)} of {chain.name} does not follow event {last.sequence}: one of the two was replaced."
    if event.pk <= last.pk:
        return f"{_place(event)} of {chain.name} has a lower id than the event before: one of the two was moved."
    return None


def _fault_at_the_end(chain: ChainName, last: int, length: int) -> str | None:
    if last < length:
        return f"{_missing(last + 1, length)} missing from the end of {chain.name}."
    # Others may have written meanwhile, so the row is read again.
    row = Chain.objects.filter(organization=chain.organization).first()
    if last > (row.length if row else 0):
        return f"The row of {chain.name}'s chain names fewer events than there are: it was changed or removed."
    if Event.objects.of_chain(chain.organization).filter(sequence__lte=last).count() != last:
        return f"{chain.name} has more events than places in its chain: some place is taken twice."
    return None


def _place(event: _Link, *, lower: bool = False) -> str:
    at = event.columns["at"]
    when = at.isoformat(" ", "seconds") if isinstance(at, datetime) else at
    return f"{'event' if lower else 'Event'} {event.sequence} ({event.columns['action']}, {when})"


def _missing(first: int, last: int) -> str:
    return f"Event {first} is" if first == last else f"Events {first} to {last} are"


def _name(key: int | None, organizations: dict[int, str]) -> str:
    if key is None:
        return "the portal itself"
    return organizations.get(key, f"the deleted organization {key}")


def _unknown(slug: str) -> list[ChainName]:
    raise LookupError(f"There is no organization {slug!r}.")
