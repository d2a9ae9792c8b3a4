"""How pages show a session's state and the ways it can end."""

from django import template
from django.utils import timezone
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe

from portal.models import ProviderKind, Service
from portal.templatetags.porthole import NOW, ago
from sessions_app.models import Session
from sessions_app.page_texts import STATES, ending_of
from sessions_app.words import LIVE, OVER, TERMINALS, State

register = template.Library()


@register.filter
def state_mark(state: str) -> SafeString:
    """A session's state as a coloured word."""
    word, colour = STATES[State(state)]
    return format_html('<span class="state state-{}">{}</span>', colour, word)


@register.filter
def attachable(session: Session) -> bool:
    """Whether a window may still come back to it: it lives, its end has not begun, and its time is not over."""
    over = session.detach_expires_at is not None and session.detach_expires_at <= timezone.now()
    return session.state in LIVE and session.state != State.ENDING and not over


@register.filter
def short_id(session: Session) -> SafeString:
    """As much of its uid as tells it from its neighbours; the whole on hover."""
    uid = session.uid
    return format_html('<span class="mono" title="{}">{}…{}</span>', uid, uid[:3], uid[-8:])


SOON = 300
"""Seconds before a detached session's end from which its remaining time is a warning."""


@register.filter
def typed_into(session: Session) -> bool:
    """Whether it has a terminal. Another one's output is to be read, and its input is its client's."""
    return session.kind in TERMINALS


@register.filter
def remaining(session: Session) -> str:
    """How long a detached session still has; empty for any other. static/js/pages/times.js keeps it true."""
    until = session.detach_expires_at
    if until is None:
        return "without end" if session.state == State.DETACHED else ""
    left = (until - timezone.now()).total_seconds()
    text = "ending now" if left < NOW else f"ends {strip_tags(ago(until))}"
    return format_html(
        '<time datetime="{}" title="{}" data-ends{}>{}</time>',
        until.isoformat(),
        until.strftime("%Y-%m-%d %H:%M:%S %Z"),
        mark_safe(" data-soon") if left < SOON else "",
        text,
    )


@register.filter
def lasted(session: Session) -> float | None:
    """Seconds from its first prompt to its end, or to now; None if it never began."""
    if session.started_at is None:
        return None
    return ((session.ended_at or timezone.now()) - session.started_at).total_seconds()


@register.filter
def ending_title(session: Session) -> str:
    """Why a session that is over ended, in a few words; empty for a live one."""
    ending = ending_of(session)
    return ending.title if ending and session.state in OVER else ""


@register.filter
def where(session: Session) -> str:
    """The container, with its pod where it has one."""
    return " / ".join(name for name in (session.pod_name, session.container_name) if name)


@register.filter
def has_consoles(service: Service) -> bool:
    """Whether its provider has containers to make."""
    return service.stack.provider.kind != ProviderKind.LOCAL
