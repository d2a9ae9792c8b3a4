"""The channel layer that settings make of REDIS_URL, in a process of its own: settings are read once."""

import os
import subprocess
import sys

import pytest

WAIT_FOR_A_NUDGE = """
import asyncio, django
django.setup()
from channels.layers import get_channel_layer

async def main():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.wait({receiving}, timeout=7)  # longer than one blocking read, and than redis-py's own patience
    await layer.send(channel, {"type": "nudge"})
    print((await receiving)["type"])

asyncio.run(main())
"""


@pytest.mark.redis
def test_a_nudge_arrives_after_a_silence_longer_than_one_blocking_read(redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAIT_FOR_A_NUDGE], env={**os.environ, "REDIS_URL": redis_url}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout == "nudge\n", done.stderr
