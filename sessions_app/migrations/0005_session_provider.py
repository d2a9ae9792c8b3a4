"""A session knows its provider itself, so that its processes are found also once its service is deleted."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import OuterRef, Subquery


def name_the_providers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Of the sessions whose service is still there."""
    services = apps.get_model("portal", "Service").objects.filter(pk=OuterRef("service"))
    sessions = apps.get_model("sessions_app", "Session").objects.filter(service__isnull=False)
    sessions.update(provider=Subquery(services.values("stack__provider")[:1]))


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_detach"), ("sessions_app", "0004_consoles")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="provider",
            field=models.ForeignKey(
                help_text="Where its container is, also once the service is deleted.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="portal.provider",
            ),
        ),
        migrations.RunPython(name_the_providers, migrations.RunPython.noop),
    ]
