"""The database itself refuses to change or delete an event or a signed head, and to take a chain back.

SQLite makes a table anew to change a column and forgets its triggers with the old one: a later migration that alters
one of these tables there calls `remove` before and `install` after.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# table: what identifies a row beside its id. INSERT OR REPLACE of SQLite deletes without asking a trigger for DELETE.
APPEND_ONLY = {
    "audit_event": "organization_id IS NEW.organization_id AND sequence = NEW.sequence",
    "audit_chainhead": "organization_id IS NEW.organization_id AND sequence = NEW.sequence",
}
CHAIN = "audit_chain"
ITS_PLACE = "organization_id IS NEW.organization_id"

REFUSED = "{table} is append-only: its rows are never changed or deleted"
BACKWARDS = "audit_chain only goes forward"


def _sqlite_trigger(name: str, table: str, event: str, condition: str, text: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} {condition} BEGIN SELECT RAISE(ABORT, '{text}'); END"


def _sqlite() -> list[str]:
    statements = []
    for table, place in {**APPEND_ONLY, CHAIN: ITS_PLACE}.items():
        text = REFUSED.format(table=table) if table != CHAIN else BACKWARDS
        there = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM {table} WHERE {place})"
        change = "WHEN NEW.length <= OLD.length OR NEW.organization_id IS NOT OLD.organization_id" * (table == CHAIN)
        statements += [
            _sqlite_trigger(f"{table}_update", table, "UPDATE", change, text),
            _sqlite_trigger(f"{table}_delete", table, "DELETE", "", text),
            _sqlite_trigger(f"{table}_replace", table, "INSERT", there, text),
        ]
    return statements


def _postgresql() -> list[str]:
    statements = []
    for table in (*APPEND_ONLY, CHAIN):
        text = REFUSED.format(table=table) if table != CHAIN else BACKWARDS
        forward = """IF TG_OP = 'UPDATE' AND NEW.length > OLD.length
            AND NEW.organization_id IS NOT DISTINCT FROM OLD.organization_id THEN RETURN NEW; END IF;""" * (table == CHAIN)
        statements += [
            f"""CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN {forward}
            RAISE EXCEPTION '{text}' USING ERRCODE = 'integrity_constraint_violation'; END $guard$""",
            f"""CREATE TRIGGER {table}_guard BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_guard()""",
            f"""CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_guard()""",
        ]
    return statements


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]():
        schema_editor.execute(statement)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table in (*APPEND_ONLY, CHAIN):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP FUNCTION {table}_guard() CASCADE")
            continue
        for event in ("update", "delete", "replace"):
            schema_editor.execute(f"DROP TRIGGER {table}_{event}")


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_chain")]
    operations = [migrations.RunPython(install, remove)]
