"""Other people's sessions: clients that read what busy shells print. A process of its own, ended by closing its input.

`python -m benchmarks.load PORT USER PASSWORD SLUG COUNT`; prints `ready` once all sessions are attached.
"""

import asyncio
import json
import sys

import websockets

from benchmarks.client import ACK_EVERY, Portal

LINE = "x" * 80
# `read` waits without a process of its own: what is to be busy is the portal, not the kernel with forks.
BUSY = ["bash", "-c", f"while :; do read -rt 0.1; echo {LINE}; done"]


async def watch(port: int, uid: str, ticket: str, attached: asyncio.Semaphore) -> None:
    """Read one session for ever."""
    uri = f"ws://127.0.0.1:{port}/ws/sessions/{uid}/"
    protocols = [websockets.Subprotocol("porthole.v1"), websockets.Subprotocol(f"ticket.{ticket}")]
    async with websockets.connect(uri, subprotocols=protocols, compression=None) as socket:
        await socket.send(json.dumps({"type": "hello", "cols": 100, "rows": 30, "offset": None, "mode": "control"}))
        offset = acked = 0
        async for message in socket:
            if isinstance(message, bytes):
                if not offset:
                    attached.release()
                offset += len(message)
                if offset - acked >= ACK_EVERY:
                    acked = offset
                    await socket.send(json.dumps({"type": "ack", "offset": offset}))


async def main(port: int, username: str, password: str, slug: str, count: int) -> None:
    portal = Portal(port, username, password)
    service = portal.service(slug)
    attached = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        watchers = []
        for _ in range(count):
            opened = await asyncio.to_thread(portal.open, service, BUSY)
            watchers.append(tasks.create_task(watch(port, opened["uid"], opened["ticket"], attached)))
            await attached.acquire()
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        for watcher in watchers:
            watcher.cancel()


if __name__ == "__main__":
    port, username, password, slug, count = sys.argv[1:6]
    asyncio.run(main(int(port), username, password, slug, int(count)))
