"""A change that may end a session is told to the session hosts, and never fails because they cannot be told."""

import time
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from audit.events import PORTAL
from portal import actions
from portal.actions.nudges import HOSTS_GROUP, NUDGE_TIMEOUT, nudge_hosts
from portal.models import ApiToken
from portal.permissions import Permission, Role
from tests.portal.world import Tenant, api_token


def redis_layer(url: str) -> dict[str, object]:
    return {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url]}}}


@pytest.mark.redis
async def test_hosts_hear_a_nudge_through_redis(settings: Settings, redis_url: str) -> None:
    from asgiref.sync import sync_to_async

    settings.CHANNEL_LAYERS = redis_layer(redis_url)
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(HOSTS_GROUP, channel)
    await sync_to_async(nudge_hosts)()
    assert await layer.receive(channel) == {"type": "nudge"}
    await layer.group_discard(HOSTS_GROUP, channel)
    await layer.close_pools()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://10.255.255.1:6379/0"])
def test_a_layer_that_does_not_answer_costs_a_line_and_a_second(
    settings: Settings, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = redis_layer(url)
    begun = time.monotonic()
    nudge_hosts()
    assert time.monotonic() - begun < NUDGE_TIMEOUT + 2
    assert "did not take a nudge" in caplog.text


def test_everything_that_takes_access_away_nudges(
    acme: Tenant, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    grant = acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER))
    other = acme.grant(Permission.SHELL, team=acme.team)
    place = actions.add_team_member(actor=PORTAL, team=acme.team, membership=acme.member(Role.AUDITOR))
    api_token(acme.users[Role.ADMIN], Permission.SHELL)
    changes = [
        lambda: actions.change_grant(actor=PORTAL, grant=grant, expires_at=timezone.now() + timedelta(hours=1)),
        lambda: actions.revoke(actor=PORTAL, grant=grant),
        lambda: actions.revoke_api_token(actor=PORTAL, token=ApiToken.objects.get()),
        lambda: actions.remove_team_member(actor=PORTAL, member=place),
        lambda: actions.change_member(actor=PORTAL, membership=acme.member(Role.ADMIN), role=Role.DEVELOPER),
        lambda: actions.remove_member(actor=PORTAL, membership=acme.member(Role.DEVELOPER)),
        lambda: actions.delete_team(actor=PORTAL, team=other.team or acme.team),
        lambda: actions.deactivate_user(actor=PORTAL, user=acme.users[Role.AUDITOR]),
        lambda: actions.delete_service(actor=PORTAL, service=acme.service),
        lambda: actions.delete_stack(actor=PORTAL, stack=acme.stack),
        lambda: actions.delete_organization(actor=PORTAL, organization=acme.organization),
    ]
    for change in changes:
        with django_capture_on_commit_callbacks() as callbacks:
            change()
        assert nudge_hosts in callbacks
