"""Consoles of a Docker Engine: a container made from a running one of the service."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

from sessions_app.backends import names
from sessions_app.backends.base import BackendError, CommandNotFound, Container, ContainerGone, ProviderUnreachable
from sessions_app.backends.consoles import (
    INSTALLATION,
    SESSION,
    ConsoleRequest,
    Consoles,
    FoundConsole,
    Progress,
    Removal,
    found,
    name_of,
    no_image,
    retagged,
    to_its_end,
)
from sessions_app.backends.docker_console_config import console_config, further_networks
from sessions_app.backends.docker_engine import Engine, reading, text
from sessions_app.backends.docker_pull import pull

START_WAIT = 30.0
"""Seconds an engine may take to start a container after a call to do so was given up."""

REMOVAL_WAIT = 5.0
"""Seconds an engine may take to be done with a removal that it has begun."""

POLL = 0.1
"""Seconds between two questions of that wait."""


class DockerConsoles(Consoles):
    """The consoles of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, request: ConsoleRequest, progress: Progress) -> Container:
        request.check()
        like = names.docker_container(request.like.id or request.like.container_name)
        inspected = await self._engine.call("inspect_container", like, about=request.like.container_name)
        with reading():
            named, own = text(inspected["Config"]["Image"], 1024), text(inspected["Image"])
        shown = request.image or named
        if request.tag:
            shown = retagged(shown, request.tag)
        # Its own image by the id that it runs, whatever the name means by now.
        image = own if shown == named else await self._have(shown, progress)
        own_config = await self._config_of(own)
        with reading():
            config = console_config(request, inspected, own_config, image)
            networks = further_networks(inspected)
        progress("the engine is starting it.")
        return await to_its_end(self._start(request, config, networks, shown))

    async def remove(self, session_uid: str, namespace: str) -> Removal:
        name = name_of(session_uid)
        try:
            # With the volumes that its image made for it; the service's have names and stay.
            await self._engine.call("remove_container", name, force=True, v=True, about=name)
        except ContainerGone:
            return Removal.ABSENT
        except BackendError:
            # Once it is killed the engine removes it by itself, and refuses to be told so a second time.
            removal = await self._removed_by_itself(name)
            if removal is None:
                raise
            return removal
        return Removal.REMOVED

    async def left(self, installation: str, namespaces: Collection[str]) -> list[FoundConsole]:
        wanted = {"label": [f"{INSTALLATION}={names.docker_label(installation)}", SESSION]}
        listed = await self._engine.call("containers", all=True, filters=wanted)
        with reading():
            # A kubelet gives a pod's labels to a container of its own: by its name that one is none of ours.
            return [found(entry["Labels"]) for entry in listed if f"/{_name(entry)}" in entry["Names"]]

    async def _have(self, image: str, progress: Progress) -> str:
        """The id of an image, pulled if it is not there."""
        try:
            found = await self._engine.call("inspect_image", image)
        except ContainerGone:
            await pull(self._engine.address, await self._engine.api_version(), image, progress)
            try:
                found = await self._engine.call("inspect_image", image)
            except ContainerGone as error:
                raise no_image(image, "") from error
        with reading():
            return text(found["Id"])

    async def _config_of(self, image: str) -> Mapping[str, Any]:
        """An image's configuration; empty where the image was removed under a running container."""
        try:
            found = await self._engine.call("inspect_image", image)
        except ContainerGone:
            return {}
        with reading():
            return dict(found["Config"] or {})

    async def _start(
        self, request: ConsoleRequest, config: dict[str, Any], networks: list[str], shown: str
    ) -> Container:
        created = await self._engine.call("create_container_from_config", config, request.name)
        with reading():
            identifier = text(created["Id"])
        for network in networks:
            await self._engine.call("connect_container_to_network", identifier, network)
        try:
            await self._begin(identifier)
        except CommandNotFound as error:
            raise CommandNotFound(
                f"The image {shown} has no shell. A console needs one (sh and sleep), so it takes another image or tag."
            ) from error
        return Container(container_name=request.name, id=identifier, image=shown)

    async def _begin(self, identifier: str) -> None:
        """Start it. An engine under load takes longer over that than any call may take, and goes on with it."""
        try:
            await self._engine.call("start", identifier)
        except ProviderUnreachable:
            deadline = time.monotonic() + START_WAIT
            while not await self._runs(identifier):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(POLL)

    async def _runs(self, identifier: str) -> bool:
        inspected = await self._engine.call("inspect_container", identifier)
        with reading():
            return bool(inspected["State"]["Running"])

    async def _removed_by_itself(self, name: str) -> Removal | None:
        """What became of a container that the engine may be removing; None if it is not."""
        deadline = time.monotonic() + REMOVAL_WAIT
        while True:
            try:
                inspected = await self._engine.call("inspect_container", name, about=name)
            except ContainerGone:
                return Removal.REMOVED
            if time.monotonic() > deadline:
                with reading():
                    return Removal.UNDER_WAY if text(inspected["State"]["Status"]) == "removing" else None
            await asyncio.sleep(POLL)


def _name(entry: Mapping[str, Any]) -> str:
    return name_of(text(entry["Labels"][SESSION]))
