"""The sole writer of session rows."""

from sessions_app.actions.consoles import installation_uid, note_console_created, note_console_removed
from sessions_app.actions.counters import (
    Counters,
    decline_end,
    flush_counters,
)
from sessions_app.actions.hosts import (
    LEASE,
    redeem_ticket,
    register_host,
    renew_lease,
    stop_host,
    sweep,
)
from sessions_app.actions.sessions import (
    LimitReached,
    NewSession,
    claim,
    finish,
    finish_cleanup,
    mark_active,
    mark_ending,
    note_attached,
    note_detached,
    open_session,
    request_detach,
    request_end,
    request_resize,
    thing,
)

__all__ = [
    "LEASE",
    "Counters",
    "LimitReached",
    "NewSession",
    "claim",
    "decline_end",
    "finish",
    "finish_cleanup",
    "flush_counters",
    "installation_uid",
    "mark_active",
    "mark_ending",
    "note_attached",
    "note_console_created",
    "note_console_removed",
    "note_detached",
    "open_session",
    "redeem_ticket",
    "register_host",
    "renew_lease",
    "request_detach",
    "request_end",
    "request_resize",
    "stop_host",
    "sweep",
    "thing",
]
