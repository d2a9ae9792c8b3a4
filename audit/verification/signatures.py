"""Checks signed heads: who signed them, and whether what they signed is still in its chain."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from audit import signing
from audit.head_export import as_signed
from audit.heads import BadHeadError, SignedHead, read_heads
from audit.models import ChainHead, Event
from audit.verification.chains import ChainName
from audit.verification.findings import Finding, Progress, Result

BATCH = 500
"""Heads in memory at a time."""


class PlacedHead(NamedTuple):
    """A head and where it was found."""

    place: str
    head: SignedHead


def trusted_keys(named: Iterable[str] = ()) -> frozenset[str]:
    """The portal's own public key, if it has one, and those that are named. `BadKeyError` for what is no key."""
    for key in named:
        signing.decode_key(key)
    own = signing.existing_public_key()
    return frozenset(named) | ({own} if own else set())


def stored_heads(chains: Iterable[ChainName]) -> Iterator[PlacedHead]:
    """The signed heads in the database."""
    for chain in chains:
        for row in ChainHead.objects.of_chain(chain.organization).iterator(BATCH):
            yield PlacedHead(f"The signed head {row.sequence} of {chain.name} in the database", as_signed(row))


def heads_of_file(path: Path, chains: Iterable[ChainName] | None = None) -> Iterator[PlacedHead]:
    """The signed heads in a file, those of `chains` if given. Raises `BadHeadError` and `OSError`."""
    wanted = None if chains is None else {chain.organization for chain in chains}
    for number, head in read_heads(path):
        if wanted is None or head.organization in wanted:
            yield PlacedHead(f"Line {number} of {path}", head)


def check_heads(found: Iterator[PlacedHead], keys: frozenset[str], progress: Progress) -> Result:
    """Stop at the first head that a trusted key did not sign, or whose event is no longer what it was."""
    checked = 0
    try:
        while some := list(islice(found, BATCH)):
            hashes = _hashes(placed.head for placed in some)
            for placed in some:
                if finding := _finding(placed, hashes, keys):
                    return Result(checked, (finding,))
                checked += 1
            progress(checked)
    except BadHeadError as error:
        return Result(checked, (Finding(str(error)),))
    except OSError as error:
        return Result(checked, (Finding(f"{error.filename} cannot be read: {error.strerror}.", wrong=False),))
    return Result(checked)


def _hashes(heads: Iterable[SignedHead]) -> dict[tuple[int | None, int], str]:
    """The hash that stands in the database at each head's place."""
    wanted: defaultdict[int | None, list[int]] = defaultdict(list)
    for head in heads:
        wanted[head.organization].append(head.sequence)
    return {
        (organization, sequence): hash_
        for organization, sequences in wanted.items()
        for sequence, hash_ in Event.objects.of_chain(organization)
        .filter(sequence__in=sequences)
        .values_list("sequence", "hash")
    }


def _finding(placed: PlacedHead, hashes: dict[tuple[int | None, int], str], keys: frozenset[str]) -> Finding | None:
    place, head = placed
    if not keys:
        return Finding("There is no key here to check signed heads with: name it with --public-key.", wrong=False)
    if head.public_key not in keys:
        return Finding(
            f"{place} was signed with another key ({signing.fingerprint(head.public_key)}). If the portal's key was "
            "changed on purpose, name the old one with --public-key."
        )
    if not head.is_signed_by(keys):
        return Finding(f"{place} does not fit its signature: it was changed.")
    stands = hashes.get((head.organization, head.sequence))
    if stands is None:
        return Finding(
            f"{place} signs event {head.sequence} at {head.signed_at}, and there is no such event any more: the end of "
            "the chain was dropped."
        )
    if stands != head.hash:
        return Finding(
            f"{place} signs another event {head.sequence} than the one that stands there: the chain was rewritten at "
            "or before it."
        )
    return None
