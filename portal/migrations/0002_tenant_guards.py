"""The database itself refuses a row that points at another organization's row, and a row that changes its organization.

One trigger for each table and question. SQLite and PostgreSQL say it in their own words; the rule is the same.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# table: {column: the table it points at}; every table here has an organization_id.
PARENTS = {
    "portal_membership": {},
    "portal_team": {},
    "portal_provider": {},
    "portal_stack": {"provider_id": "portal_provider"},
    "portal_service": {"stack_id": "portal_stack"},
    "portal_teammember": {"team_id": "portal_team", "membership_id": "portal_membership"},
    "portal_grant": {
        "membership_id": "portal_membership",
        "team_id": "portal_team",
        "stack_id": "portal_stack",
        "service_id": "portal_service",
    },
}

FOREIGN = "{table}.{column} points at a row of another organization"
MOVED = "{table}.organization_id never changes"


def _sqlite(table: str, parents: dict[str, str]) -> list[str]:
    statements = [
        f"""CREATE TRIGGER {table}_organization_fixed BEFORE UPDATE OF organization_id ON {table}
        WHEN NEW.organization_id IS NOT OLD.organization_id
        BEGIN SELECT RAISE(ABORT, '{MOVED.format(table=table)}'); END"""
    ]
    for column, parent in parents.items():
        for event in ("INSERT", f"UPDATE OF {column}"):
            statements.append(
                f"""CREATE TRIGGER {table}_{column}_{event[:6].lower()} BEFORE {event} ON {table}
                WHEN NEW.{column} IS NOT NULL AND NEW.organization_id IS NOT
                    (SELECT organization_id FROM {parent} WHERE id = NEW.{column})
                BEGIN SELECT RAISE(ABORT, '{FOREIGN.format(table=table, column=column)}'); END"""
            )
    return statements


def _postgresql(table: str, parents: dict[str, str]) -> list[str]:
    checks = "".join(
        f"""
        IF NEW.{column} IS NOT NULL AND NEW.organization_id IS DISTINCT FROM
            (SELECT organization_id FROM {parent} WHERE id = NEW.{column}) THEN
            RAISE EXCEPTION '{FOREIGN.format(table=table, column=column)}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;"""
        for column, parent in parents.items()
    )
    return [
        f"""CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN
        IF TG_OP = 'UPDATE' AND NEW.organization_id IS DISTINCT FROM OLD.organization_id THEN
            RAISE EXCEPTION '{MOVED.format(table=table)}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;{checks}
        RETURN NEW; END $guard$""",
        f"CREATE TRIGGER {table}_guard BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_guard()",
    ]


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    make = {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]
    for table, parents in PARENTS.items():
        for statement in make(table, parents):
            schema_editor.execute(statement)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table, parents in PARENTS.items():
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP FUNCTION {table}_guard() CASCADE")
            continue
        schema_editor.execute(f"DROP TRIGGER {table}_organization_fixed")
        for column in parents:
            for event in ("insert", "update"):
                schema_editor.execute(f"DROP TRIGGER {table}_{column}_{event}")


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]
    operations = [migrations.RunPython(install, remove)]
