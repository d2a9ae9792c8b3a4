"""Pulling an image, on a connection of our own: the SDK's call would hold a thread for as long as it takes."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp

from sessions_app.backends.base import CONNECT_TIMEOUT
from sessions_app.backends.consoles import Progress, no_image
from sessions_app.backends.docker_engine import MALFORMED, MAX_LOGGED, Address, explain_connection
from sessions_app.backends.launch import printable

SILENCE = 60.0
"""Seconds in which an engine that pulls says something."""

MAX_LAYERS = 500
"""Layers of which it is remembered how much has come; no engine makes images of more than 127."""

MAX_ERROR, MAX_ID = 8192, 100
"""Bytes of a refusal, and characters of a layer's id, that are read."""

MEGABYTE = 1_000_000

logger = logging.getLogger(__name__)


async def pull(address: Address, api_version: str, image: str, progress: Progress) -> None:
    """Let the engine pull an image. Raises `ImageUnavailable`, or why the engine does not answer."""
    connector = aiohttp.UnixConnector(address.path) if address.path else aiohttp.TCPConnector(ssl=address.tls or True)
    server = "http://docker" if address.path else address.base_url
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE)
    name, tag = _name_and_tag(image)
    layers = _Layers(image, progress)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(
                f"{server}/v{api_version}/images/create", params={"fromImage": name, "tag": tag}, allow_redirects=False
            ) as answer,
        ):
            if answer.status != 200:
                raise _refused(image, await _message(answer.content))
            async for line in answer.content:
                told = json.loads(line)
                if said := told.get("error"):
                    raise _refused(image, str(said))
                layers.told(told)
    except (aiohttp.ClientError, OSError, TimeoutError, *MALFORMED) as error:
        raise explain_connection(error, address) from error


async def _message(body: aiohttp.StreamReader) -> str:
    """Why the engine refuses, from the beginning of its answer."""
    read = b""
    while len(read) < MAX_ERROR and (piece := await body.read(MAX_ERROR - len(read))):
        read += piece
    return str(json.loads(read).get("message", ""))


def _name_and_tag(image: str) -> tuple[str, str]:
    """A digest goes where a tag would; without either the engine would pull every tag there is."""
    name, at, digest = image.partition("@")
    if at:
        return name, digest
    path, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{path}{slash}{last}", tag or "latest"


def _refused(image: str, said: str) -> Exception:
    logger.warning("a Docker Engine could not pull %s: %s", image, printable(said, MAX_LOGGED))
    return no_image(image, said)


class _Layers:
    """How much of each layer has come."""

    def __init__(self, image: str, progress: Progress) -> None:
        self._image, self._progress = image, progress
        self._layers: dict[str, tuple[int, int]] = {}
        self._said = ""
        self._say(f"pulling the image {image}.")

    def told(self, line: Mapping[str, Any]) -> None:
        """One line of the engine's report."""
        detail = line.get("progressDetail")
        if line.get("status") != "Downloading" or not isinstance(detail, dict) or not detail.get("total"):
            return
        layer = str(line.get("id"))[:MAX_ID]
        if layer not in self._layers and len(self._layers) >= MAX_LAYERS:
            return
        self._layers[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        have, total = (sum(numbers) / MEGABYTE for numbers in zip(*self._layers.values(), strict=True))
        self._say(f"pulling the image {self._image}: {have:.0f} of {total:.0f} MB.")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._progress(text)
