"""Every change of the tenants' world: one function each, keyword-only, atomic, the row and its audit event together.

They check that a change is sound, not that the caller may make it: that is `portal.access`, at the door.
"""

from portal.actions.accounts import (
    change_preferences,
    change_user,
    create_api_token,
    create_user,
    deactivate_user,
    reactivate_user,
    refuse_program,
    revoke_api_token,
    set_password,
    touch_api_token,
)
from portal.actions.grants import change_grant, grant, revoke
from portal.actions.nudges import nudge_hosts
from portal.actions.organizations import (
    add_member,
    add_team_member,
    change_member,
    change_organization,
    change_team,
    create_organization,
    create_team,
    delete_organization,
    delete_team,
    remove_member,
    remove_team_member,
)
from portal.actions.places import (
    change_provider,
    change_service,
    change_stack,
    create_provider,
    create_service,
    create_stack,
    delete_provider,
    delete_service,
    delete_stack,
    reseal_credentials,
    set_credentials,
)

__all__ = [
    "add_member",
    "add_team_member",
    "change_grant",
    "change_member",
    "change_organization",
    "change_preferences",
    "change_provider",
    "change_service",
    "change_stack",
    "change_team",
    "change_user",
    "create_api_token",
    "create_organization",
    "create_provider",
    "create_service",
    "create_stack",
    "create_team",
    "create_user",
    "deactivate_user",
    "delete_organization",
    "delete_provider",
    "delete_service",
    "delete_stack",
    "delete_team",
    "grant",
    "nudge_hosts",
    "reactivate_user",
    "refuse_program",
    "remove_member",
    "remove_team_member",
    "reseal_credentials",
    "revoke",
    "revoke_api_token",
    "set_credentials",
    "set_password",
    "touch_api_token",
]
