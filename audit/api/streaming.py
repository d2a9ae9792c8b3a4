"""Responses that stream a generator of bytes, in flat memory under ASGI and WSGI alike."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

BATCH = 64 * 1024
"""Bytes that are fetched in one go: a thread is asked once for many short lines."""


def download(
    request: HttpRequest, chunks: Iterator[bytes], *, name: str, content_type: str, inline: bool = False
) -> StreamingHttpResponse:
    """`chunks` as a file called `name`, which the browser saves and never runs.

    Django collects a plain iterator in memory before it answers under ASGI, so there it gets an asynchronous one.
    """
    batches = _batches(chunks)
    content: AsyncIterator[bytes] | Iterable[bytes]
    content = _in_threads(batches) if isinstance(request, ASGIRequest) else batches
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'{"inline" if inline else "attachment"}; filename="{name}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _batches(chunks: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def _in_threads(batches: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
