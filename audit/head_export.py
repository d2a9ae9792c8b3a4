"""Signs where every chain stands, and exports the signed heads to this machine's files. Safe to run twice at once."""

import logging
from collections.abc import Iterator

from audit import heads
from audit.actions import BrokenChainError, sign_head
from audit.chain import instant
from audit.models import Chain, ChainHead

logger = logging.getLogger(__name__)

BATCH = 500
"""Rows in memory at a time."""


def sign_and_export() -> int:
    """Sign the heads of all chains that have grown and bring all files up to date. How many lines were added.

    A chain that no longer holds what was signed of it is logged as an error and not signed; its rows and files stay.
    """
    added = 0
    for chain in list(Chain.objects.order_by("pk")):
        try:
            sign_head(chain=chain)
        except BrokenChainError as error:
            logger.error("%s", error)
        added += export(chain.organization_id)
    return added


def export(organization: int | None) -> int:
    """Add the heads to the chain's file that it lacks. How many there were."""
    path = heads.head_file(organization)

    def missing(last: heads.SignedHead | None) -> Iterator[heads.SignedHead]:
        newest = ChainHead.objects.of_chain(organization).last()
        if newest is None or (last is not None and as_signed(newest) == last):
            return
        rows = ChainHead.objects.of_chain(organization)
        if last is not None and newest.sequence > last.sequence:
            rows = rows.filter(sequence__gt=last.sequence)
        elif last is not None:
            # The table went back behind the file: what it says now is put on file beside what it said before.
            logger.error("The signed heads of %s contradict %s: run manage.py verify_audit.", newest, path)
            rows = rows.filter(pk=newest.pk)
        for row in rows.iterator(BATCH):
            yield as_signed(row)

    return heads.append_heads(path, missing)


def as_signed(row: ChainHead) -> heads.SignedHead:
    """The row as it was signed."""
    return heads.SignedHead(
        row.organization_id, row.sequence, row.hash, instant(row.signed_at), row.public_key, row.signature
    )
