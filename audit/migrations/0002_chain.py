"""Each organization's events become a hash chain; those that are there already are chained in the order they came."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models.functions import Coalesce

from audit import chain

BATCH = 1000


def chain_existing(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Event, Chain = apps.get_model("audit", "Event"), apps.get_model("audit", "Chain")
    ends: dict[int | None, tuple[int, str]] = {}
    last = 0
    while events := list(Event.objects.filter(id__gt=last).order_by("id")[:BATCH]):
        for event in events:
            length, head = ends.get(event.organization_id, (0, chain.GENESIS))
            event.sequence, event.previous_hash = length + 1, head
            columns = {name: getattr(event, name) for name in chain.COLUMNS}
            event.hash = chain.link(event.organization_id, event.sequence, head, columns)
            ends[event.organization_id] = (event.sequence, event.hash)
        Event.objects.bulk_update(events, ["sequence", "previous_hash", "hash"], batch_size=100)
        last = events[-1].id
    Chain.objects.bulk_create(
        Chain(organization_id=organization, length=length, head=head) for organization, (length, head) in ends.items()
    )


def unchain(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("audit", "Event").objects.update(sequence=None, previous_hash="", hash="")


def organization(**options: bool) -> models.ForeignKey:
    return models.ForeignKey(
        db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+",
        to="portal.organization", **options,
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("portal", "0002_tenant_guards")]

    operations = [
        migrations.CreateModel(
            name="Chain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization", organization()),
                ("length", models.PositiveBigIntegerField(default=0)),
                ("head", models.CharField(default="0" * 64, help_text="The last event's hash.", max_length=64)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(Coalesce("organization", 0), name="chain_once")],
            },
        ),
        migrations.CreateModel(
            name="ChainHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization", organization(db_index=False)),
                ("sequence", models.PositiveBigIntegerField(help_text="The number of events.")),
                ("hash", models.CharField(help_text="Of the last of them.", max_length=64)),
                ("signed_at", models.DateTimeField()),
                (
                    "public_key",
                    models.CharField(help_text="The Ed25519 key that signed, in base64.", max_length=64),
                ),
                ("signature", models.CharField(max_length=128)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["organization", "-sequence"], name="head_of_organization")],
                "constraints": [models.UniqueConstraint(Coalesce("organization", 0), "sequence", name="head_once")],
            },
        ),
        migrations.RunPython(chain_existing, unchain),
        migrations.AlterField("event", "hash", models.CharField(editable=False, max_length=64)),
        migrations.AlterField("event", "previous_hash", models.CharField(editable=False, max_length=64)),
        migrations.AlterField(
            "event",
            "sequence",
            models.PositiveBigIntegerField(
                editable=False, help_text="The place in its chain, from 1 on."
            ),
        ),
        migrations.AddConstraint(
            "event",
            models.UniqueConstraint(
                condition=models.Q(organization=None), fields=["sequence"], name="event_sequence_once_in_none"
            ),
        ),
    ]
