"""What Celery does for the record. Every task may run twice, late, or at the same time as its twin."""

from celery import shared_task
from django.utils import timezone

from audit.head_export import sign_and_export
from audit.indexing import index_transcripts
from audit.models import Recording
from audit.recordings import node_id
from audit.retention import delete_each, remove_each
from portal.models import Organization
from sessions_app.models import Session

EXPIRED_A_RUN = 200
"""Recordings that one run deletes; the next run takes the next."""


@shared_task(ignore_result=True)
def sign_chain_heads() -> None:
    """Sign where each chain of events stands, so that whoever keeps the file sees what is taken away later."""
    sign_and_export()


@shared_task(ignore_result=True)
def delete_expired_recordings() -> None:
    """Delete the files of recordings on this machine that are older than their organization keeps them."""
    remove_each(list(Recording.objects.with_files_left(node_id())[:EXPIRED_A_RUN]))
    live = Session.objects.live().values("uid")
    expired = Recording.objects.expired(timezone.now(), Organization.objects.retention_policies(), node_id())
    delete_each(list(expired.exclude(session_uid__in=live).values_list("session_uid", flat=True)[:EXPIRED_A_RUN]))


@shared_task(ignore_result=True)
def index_for_search() -> None:
    """Bring what sessions printed since the last time into the index of search: bounded, and goes on the next time."""
    index_transcripts()
