"""What a service says of consoles.

SQLite remakes a table to add such columns, and takes no trigger that names it meanwhile: there the guards of migration
0002 stand aside.
"""

from importlib import import_module

import portal.fields
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

guards = import_module("portal.migrations.0002_tenant_guards")


def put_aside(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        guards.remove(apps, schema_editor)


def put_back(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        guards.install(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_detach")]
    operations = [
        migrations.RunPython(put_aside, put_back),
        migrations.AddField(
            model_name='service',
            name='console_allow_image',
            field=models.BooleanField(default=False, help_text='Whoever opens a console may choose any image, which gets what the containers get.'),
        ),
        migrations.AddField(
            model_name='service',
            name='console_allow_tag',
            field=models.BooleanField(default=True, help_text='Whoever opens a console may choose another tag of its image.'),
        ),
        migrations.AddField(
            model_name='service',
            name='console_allow_user',
            field=models.BooleanField(default=False, help_text='Whoever opens a console may choose its user, root too.'),
        ),
        migrations.AddField(
            model_name='service',
            name='console_cpu',
            field=models.FloatField(blank=True, help_text='CPUs of a console where none are asked for.', null=True, validators=[portal.fields.Between(0.01, 256)]),
        ),
        migrations.AddField(
            model_name='service',
            name='console_cpu_max',
            field=models.FloatField(blank=True, help_text='The most CPUs that may be asked for.', null=True, validators=[portal.fields.Between(0.01, 256)]),
        ),
        migrations.AddField(
            model_name='service',
            name='console_hours',
            field=models.FloatField(blank=True, help_text='Hours of a console where nobody says.', null=True, validators=[portal.fields.Between(0.01, 720)]),
        ),
        migrations.AddField(
            model_name='service',
            name='console_hours_max',
            field=models.FloatField(blank=True, help_text='The most hours that may be asked for.', null=True, validators=[portal.fields.Between(0.01, 720)]),
        ),
        migrations.AddField(
            model_name='service',
            name='console_image',
            field=models.CharField(blank=True, help_text="The image of consoles; empty means that of the service's container.", max_length=500),
        ),
        migrations.AddField(
            model_name='service',
            name='console_memory',
            field=models.FloatField(blank=True, help_text='GB of a console where none are asked for.', null=True, validators=[portal.fields.Between(0.01, 1024)]),
        ),
        migrations.AddField(
            model_name='service',
            name='console_memory_max',
            field=models.FloatField(blank=True, help_text='The most GB that may be asked for.', null=True, validators=[portal.fields.Between(0.01, 1024)]),
        ),
        migrations.RunPython(put_back, put_aside),
    ]
