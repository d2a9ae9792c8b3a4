"""The tenants' world: who belongs where, what runs where, and who may reach it.

Every tenant-owned row carries its own `organization`, which never changes; the database itself refuses a row that
points at a row of another organization (see the triggers in the migrations). Only `portal.actions` writes these.
"""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from portal.consoles import ConsolePolicy
from portal.fields import PermissionSetField
from portal.permissions import Role
from portal.querysets import (
    ApiTokenQuerySet,
    GrantQuerySet,
    MembershipQuerySet,
    OrganizationQuerySet,
    ProviderQuerySet,
    ServiceQuerySet,
    StackQuerySet,
    TeamMemberQuerySet,
    TeamQuerySet,
)
from portal.record_policy import RecordPolicy

DAY = 24 * 60 * 60


class RecordingMode(models.TextChoices):
    """What happens to a session whose journal cannot be written."""

    STRICT = "strict", "Strict: a session that cannot be recorded ends"
    BEST_EFFORT = "best_effort", "Best effort: it goes on, with a warning and a gap on record"


class Policy(models.Model):
    """Limits of a session. On a service an empty field means the organization's, there it means the default's."""

    session_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Concurrent sessions of one service.",
    )
    idle_timeout = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(30), MaxValueValidator(7 * DAY)],
        help_text="Seconds without input until a session ends.",
    )
    max_duration = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(60), MaxValueValidator(30 * DAY)],
        help_text="Seconds a session may last in all.",
    )
    reconnect_grace = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(DAY)],
        help_text="Seconds a session waits for a lost connection to come back.",
    )
    detach_ttl_max = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(60), MaxValueValidator(30 * DAY)],
        help_text="The longest time, in seconds, a session may stay detached.",
    )
    detach_without_end = models.BooleanField(
        null=True, blank=True, help_text="Whether a session may also stay detached without end (a time of 0)."
    )
    recording_mode = models.CharField(max_length=16, choices=RecordingMode, blank=True)
    record_input = models.BooleanField(
        null=True, blank=True, help_text="Record what is typed, too; what the terminal does not echo stays hidden."
    )

    class Meta:
        abstract = True


class Organization(Policy, RecordPolicy):
    """A tenant."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[OrganizationQuerySet] = OrganizationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user in an organization, with a role."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value.title()) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[MembershipQuerySet] = MembershipQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["organization", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role} of {self.organization})"


class Team(models.Model):
    """A named group of members that grants can name."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="teams")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=120)
    members = models.ManyToManyField(Membership, through="TeamMember", related_name="teams")

    objects: ClassVar[TeamQuerySet] = TeamQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["organization", "name"]
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="team_slug_once")]

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """One member of one team. It goes when the membership goes."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="team_members")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="team_members")

    objects: ClassVar[TeamMemberQuerySet] = TeamMemberQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "membership"], name="team_member_once")]

    def __str__(self) -> str:
        return f"{self.membership} in {self.team}"


class ProviderKind(models.TextChoices):
    """How a provider is spoken to."""

    KUBERNETES = "kubernetes", "Kubernetes"
    DOCKER = "docker", "Docker"
    LOCAL = "local", "Local processes (demo only)"


class Provider(models.Model):
    """A place where containers run and how to reach it.

    `options` is what may be shown (addresses, context names); `sealed_credentials` is the rest, encrypted, written by
    `actions` and read by `sessions_app` alone, and shown nowhere.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="providers")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=ProviderKind)
    options = models.JSONField(default=dict, blank=True)
    sealed_credentials = models.BinaryField(blank=True, default=b"", editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[ProviderQuerySet] = ProviderQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["organization", "name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="provider_slug_once"),
            models.CheckConstraint(condition=Q(kind__in=ProviderKind.values), name="provider_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Stack(models.Model):
    """One deployed application on a provider.

    `namespace` is the Kubernetes namespace; on Docker the compose project, or a `key=value` label, or empty for every
    container of the engine; on the local provider it is empty.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="stacks")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="stacks")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=120)
    namespace = models.CharField(max_length=253, blank=True)

    objects: ClassVar[StackQuerySet] = StackQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["organization", "name"]
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="stack_slug_once")]

    def __str__(self) -> str:
        return self.name


class SelectorKind(models.TextChoices):
    """How a service names its containers."""

    WORKLOAD = "workload", "Deployment, stateful set or daemon set by name (Kubernetes)"
    LABELS = "labels", "Label selector, such as app=web,tier=front"
    COMPOSE = "compose", "Compose service (Docker)"
    NAME = "name", "Pod or container name pattern, such as web-*"


class Service(Policy, ConsolePolicy):
    """One part of a stack, how to select its containers, and its policy."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="services")
    stack = models.ForeignKey(Stack, on_delete=models.CASCADE, related_name="services")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=120)
    selector_kind = models.CharField(max_length=16, choices=SelectorKind)
    selector = models.CharField(max_length=500, blank=True)
    container_name = models.CharField(
        max_length=253, blank=True, help_text="The container to prefer where a pod has several."
    )
    default_command = models.JSONField(
        default=list, blank=True, help_text="The argument vector of a shell; empty means the best shell found."
    )

    objects: ClassVar[ServiceQuerySet] = ServiceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["stack", "name"]
        constraints = [
            models.UniqueConstraint(fields=["stack", "slug"], name="service_slug_once"),
            models.CheckConstraint(condition=Q(selector_kind__in=SelectorKind.values), name="service_selector_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """Who may do what, where, until when.

    Exactly one of `user` (as a membership), `team`, `role` names who; `stack` or `service` narrows where, neither
    means the whole organization.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="grants")
    membership = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, blank=True, choices=[(role.value, role.value.title()) for role in Role])
    stack = models.ForeignKey(Stack, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    service = models.ForeignKey(Service, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    permissions = PermissionSetField()
    reason = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects: ClassVar[GrantQuerySet] = GrantQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["organization", "-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(membership__isnull=False, team__isnull=True, role="")
                    | Q(membership__isnull=True, team__isnull=False, role="")
                    | (Q(membership__isnull=True, team__isnull=True) & ~Q(role=""))
                ),
                name="grant_names_one",
            ),
            models.CheckConstraint(condition=Q(stack__isnull=True) | Q(service__isnull=True), name="grant_one_scope"),
            models.CheckConstraint(condition=~Q(permissions=","), name="grant_allows_something"),
        ]

    def __str__(self) -> str:
        who = self.membership or self.team or self.role
        return f"{who}: {', '.join(sorted(self.permissions))} on {self.service or self.stack or self.organization}"


class ApiToken(models.Model):
    """A personal API token: only its SHA-256 is kept. Its scopes narrow what its owner may do."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=16, editable=False, help_text="The first characters, to recognize it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = PermissionSetField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ApiTokenQuerySet] = ApiTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Preferences(models.Model):
    """How one user wants the terminal."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences")
    scrollback = models.PositiveIntegerField(
        default=500,
        validators=[MinValueValidator(0), MaxValueValidator(50_000)],
        help_text="Lines kept to scroll back.",
    )
    font_size = models.PositiveIntegerField(default=14, validators=[MinValueValidator(8), MaxValueValidator(32)])

    auto_close = models.BooleanField(
        default=False,
        help_text="A closed tab ends its session after half a minute; otherwise the session is detached and runs on. "
        "A reload does neither.",
    )
    detach_keys = models.BooleanField(
        default=True,
        help_text="Ctrl-A D detaches and Ctrl-A Ctrl-A types Ctrl-A, in any client. Switch it off if you use screen in "
        "your containers, or tmux with that key.",
    )

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user}"
