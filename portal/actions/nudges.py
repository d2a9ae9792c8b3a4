"""A word to the session hosts that something changed which may end a session."""

import asyncio
import logging

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

HOSTS_GROUP = "hosts"
NUDGE_TIMEOUT = 1.0

logger = logging.getLogger(__name__)


def nudge_hosts() -> None:
    """Ask every session host to read its rows again now. Call it on commit.

    Without it they do so within two seconds anyway, so a channel layer that does not answer is worth a line, no more.
    """
    try:
        async_to_sync(_nudge)()
    except (RedisError, OSError, TimeoutError, ChannelFull) as error:
        logger.warning("The channel layer did not take a nudge (%s); session hosts notice within seconds.", error)


async def _nudge() -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(NUDGE_TIMEOUT):
        await layer.group_send(HOSTS_GROUP, {"type": "nudge"})
