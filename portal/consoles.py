"""What a service says of consoles: what one gets where nobody asks, what may be asked for, and the checks of it.

The fields are part of `portal.models.Service`; an empty one means the installation's value, which is a constant here.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import models

from portal.fields import Between

if TYPE_CHECKING:
    from portal.models import Service

GIGABYTE = 1024**3
HOUR = 3600

MEMORY, MEMORY_MOST = 0.5, 4.0
CPU, CPU_MOST = 0.25, 2.0
HOURS, HOURS_MOST = 4.0, 24.0
"""Where a service says nothing: what a console gets, and the most that may be asked for."""

LEAST = 0.01
"""Of memory in GB (about what a shell takes), of a CPU, and of hours (36 seconds)."""

_REGISTRY = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/"
_PATH = r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_IMAGE = re.compile(rf"({_REGISTRY})?{_PATH}(/{_PATH})*(:{_TAG})?(@sha256:[0-9a-f]{{64}})?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?")
_NUMERIC_USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")


class ConsolePolicy(models.Model):
    """What a service says of consoles."""

    console_memory = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 1024)], help_text="GB of a console where none are asked for."
    )
    console_memory_max = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 1024)], help_text="The most GB that may be asked for."
    )
    console_cpu = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 256)], help_text="CPUs of a console where none are asked for."
    )
    console_cpu_max = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 256)], help_text="The most CPUs that may be asked for."
    )
    console_hours = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 720)], help_text="Hours of a console where nobody says."
    )
    console_hours_max = models.FloatField(
        null=True, blank=True, validators=[Between(LEAST, 720)], help_text="The most hours that may be asked for."
    )
    console_image = models.CharField(
        max_length=500, blank=True, help_text="The image of consoles; empty means that of the service's container."
    )
    console_allow_tag = models.BooleanField(
        default=True, help_text="Whoever opens a console may choose another tag of its image."
    )
    console_allow_image = models.BooleanField(
        default=False, help_text="Whoever opens a console may choose any image, which gets what the containers get."
    )
    console_allow_user = models.BooleanField(
        default=False, help_text="Whoever opens a console may choose its user, root too."
    )

    class Meta:
        abstract = True


@dataclass(frozen=True, slots=True)
class Amount:
    """What a console gets of something, and the most that may be asked for."""

    default: float
    most: float


@dataclass(frozen=True, slots=True)
class ConsoleRules:
    """What holds for the consoles of one service."""

    memory: Amount
    """GB."""
    cpu: Amount
    hours: Amount
    image: str
    """Empty: that of the service's container."""
    allow_tag: bool
    allow_image: bool
    allow_user: bool


def console_rules_of(service: "Service", max_duration: int | None) -> ConsoleRules:
    """The rules of a service, whose sessions may last `max_duration` seconds (None: no limit)."""
    longest = service.console_hours_max or HOURS_MOST
    if max_duration is not None:
        longest = min(longest, max_duration / HOUR)
    return ConsoleRules(
        memory=_amount(service.console_memory, MEMORY, service.console_memory_max or MEMORY_MOST),
        cpu=_amount(service.console_cpu, CPU, service.console_cpu_max or CPU_MOST),
        hours=_amount(service.console_hours, HOURS, longest),
        image=service.console_image,
        allow_tag=service.console_allow_tag,
        allow_image=service.console_allow_image,
        allow_user=service.console_allow_user,
    )


def _amount(chosen: float | None, otherwise: float, most: float) -> Amount:
    return Amount(min(chosen or otherwise, most), most)


def check_console_policy(service: "Service") -> None:
    """Raises `ValidationError` for a default above its ceiling, or an image that no registry could have."""
    for name, most in (("memory", MEMORY_MOST), ("cpu", CPU_MOST), ("hours", HOURS_MOST)):
        default, ceiling = getattr(service, f"console_{name}"), getattr(service, f"console_{name}_max") or most
        if default is not None and default > ceiling:
            field = f"console_{name}"
            raise ValidationError({field: f"This is above the ceiling of {ceiling:g}. Raise {field}_max as well."})
    if service.console_image:
        check_image(service.console_image, "console_image")


def check_image(image: str, field: str = "image") -> None:
    """Raises `ValidationError` for what is no image's name."""
    if len(image) > 500 or not _IMAGE.fullmatch(image):
        raise ValidationError({field: "Give an image's name, such as registry.example/team/app:1.2."})


def check_tag(tag: str) -> None:
    """Raises `ValidationError` for what is no image's tag."""
    if not re.fullmatch(_TAG, tag):
        raise ValidationError({"docker_tag": "A tag has letters, digits, dots, hyphens and underscores, at most 128."})


def check_user(user: str, *, numeric: bool) -> None:
    """Raises `ValidationError` for what is no user of a container; where it is `numeric`, for a name."""
    if numeric and not _NUMERIC_USER.fullmatch(user):
        raise ValidationError({"user": "Kubernetes takes a user's number, perhaps with a group's: 1000 or 1000:1000."})
    if not _USER.fullmatch(user):
        raise ValidationError({"user": "Give a user's name or number, with a group if need be: app or 1000:1000."})
