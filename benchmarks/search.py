"""`python -m benchmarks.search`: search over a million lines of transcripts, first page of hits, for three people.

It works on the database of the environment (`DATABASE_URL`, or SQLite in `PORTHOLE_DATA_DIR`), which has to be an empty
one made for it: it migrates it and leaves its rows there.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Iterator

import django

LINES = 1_000_000
SESSIONS = 500
ROUNDS = 15
FREQUENT = ["error", "connection", "info worker", "get", "users"]
MIDDLE = ['"status 503"', "node-17", "shard 42 timeout", "req-000", "pod-web-7"]
RARE = ["needle", "needle haystack", "notthereatall", '"needle in a"', "xq"]
WORDS = [
    *("connection", "refused", "timeout", "error", "warning", "info", "worker", "request", "user", "users", "get"),
    *("post", "put", "delete", "started", "stopped", "status", "shard", "queue", "cache", "database", "index", "table"),
    *("row", "lock", "commit", "rollback", "retry", "backoff", "deploy", "container", "image"),
]


def text_of(number: int, chance: random.Random) -> str:
    """One line such as a log has."""
    if number % 100_000 == 77:
        return f"found the needle in a haystack, number {number}"
    words = " ".join(chance.choices(WORDS, k=6))
    kind = chance.choice(("INFO", "WARN", "ERROR"))
    return (
        f"2026-11-20T10:{number % 60:02}:00Z {kind} node-{number % 97} shard {number % 211} status {500 + number % 13} "
        f"pod-web-{number % 31} req-{number:09x} {words}"
    )


def fill() -> None:
    """An organization, a developer with every fiftieth session, and the lines."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from audit.events import PORTAL
    from audit.models import Recording, TranscriptLine
    from portal import actions
    from portal.permissions import Role
    from sessions_app.models import Session
    from sessions_app.words import Kind, Via, new_uid

    now = timezone.now()
    organization = actions.create_organization(actor=PORTAL, slug="bench", name="Bench")
    people = {}
    for role in (Role.AUDITOR, Role.DEVELOPER, Role.ADMIN):
        people[role] = User.objects.create_user(f"bench-{role}", password=None)
        actions.add_member(actor=PORTAL, organization=organization, user=people[role], role=role)

    def session(number: int) -> tuple[Session, Recording]:
        user = people[Role.ADMIN if number % 50 else Role.DEVELOPER]
        uid = new_uid(Kind.SHELL, Via.WEB)
        names = {"user_name": user.username, "service_name": "web"}
        row = Session(
            uid=uid, organization=organization, user=user, kind="shell", via="web", state="stopped",
            end_reason="exited", organization_name="Bench", stack_name="shop", session_limit=1, idle_timeout=60,
            reconnect_grace=60, detach_ttl_max=60, recording_mode="strict", record_input=False, attach_by=now, **names,
        )  # fmt: skip
        path = f"bench/{uid}"
        return row, Recording(
            session_uid=uid, organization=organization, node="bench", path=path, started_at=now, sealed_at=now, **names
        )

    rows = [session(number) for number in range(SESSIONS)]
    Session.objects.bulk_create(row for row, _ in rows)
    recordings = Recording.objects.bulk_create(recording for _, recording in rows)
    chance = random.Random(1)

    def lines() -> Iterator[TranscriptLine]:
        for number in range(LINES):
            recording = recordings[number * SESSIONS // LINES]
            yield TranscriptLine(
                recording=recording, organization=organization, number=number, at=1.0, text=text_of(number, chance)
            )

    batch: list[TranscriptLine] = []
    for line in lines():
        batch.append(line)
        if len(batch) == 20_000:
            TranscriptLine.objects.bulk_create(batch, batch_size=2000)
            batch = []
    TranscriptLine.objects.bulk_create(batch, batch_size=2000)


def measure() -> None:
    """The table, by who asks and how frequent the words are."""
    from django.contrib.auth.models import User
    from django.db import connection

    from audit.api.search import lines_for, readable_sessions
    from audit.hits import with_context
    from audit.search import bounded

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    everything: list[float] = []
    for name in ("bench-auditor", "bench-developer", "bench-admin"):
        user = User.objects.get(username=name)
        for kind, queries in (("frequent", FREQUENT), ("middle", MIDDLE), ("rare", RARE)):
            times = []
            for _ in range(ROUNDS):
                for query in queries:
                    start = time.perf_counter()
                    with bounded():
                        with_context(list(lines_for(readable_sessions(user, None), query).order_by("-place")[:25]))
                    times.append((time.perf_counter() - start) * 1000)
            everything += times
            p95 = statistics.quantiles(times, n=20)[-1]
            print(f"| {connection.vendor} | {name} | {kind} | {statistics.median(times):.0f} ms | {p95:.0f} ms |")
    p95 = statistics.quantiles(everything, n=20)[-1]
    print(f"| {connection.vendor} | all | all | {statistics.median(everything):.0f} ms | {p95:.0f} ms |")


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    from django.core.management import call_command

    from audit.models import TranscriptLine

    call_command("migrate", verbosity=0)
    if not TranscriptLine.objects.exists():
        start = time.perf_counter()
        fill()
        print(f"{LINES} lines in {time.perf_counter() - start:.0f} s")
    print("| database | who | words | p50 | p95 |\n|---|---|---|---|---|")
    measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
