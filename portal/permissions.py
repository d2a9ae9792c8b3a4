"""The words of permission and role, and what each role may do without a grant. Pure Python."""

from enum import StrEnum


class Permission(StrEnum):
    """What a grant can allow on an organization, a stack or a service."""

    VIEW = "view"
    SHELL = "shell"
    CONSOLE = "console"
    EXEC = "exec"
    FILES = "files"
    FORWARD = "forward"
    WATCH = "watch"
    TERMINATE = "terminate"
    AUDIT = "audit"
    MANAGE = "manage"


class Role(StrEnum):
    """A member's role in one organization."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


PERMISSIONS = tuple(permission.value for permission in Permission)

# What a role holds in the whole of its organization. A developer reaches nothing until somebody grants it.
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission),
    Role.DEVELOPER: frozenset(),
    Role.AUDITOR: frozenset({Permission.VIEW, Permission.AUDIT}),
}


def roles_with(permission: Permission) -> list[Role]:
    """The roles that hold `permission` without a grant."""
    return [role for role, held in ROLE_PERMISSIONS.items() if permission in held]
