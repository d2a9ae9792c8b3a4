"""Lines of transcripts, and what finds text in them: pg_trgm and full text on PostgreSQL, FTS5 on SQLite.

SQLite makes a table anew to change a column and forgets its triggers with the old one: a later migration that alters
the table of lines there calls `remove` before and `install` after.
"""

import logging

import django.db.models.deletion
from django.db import DatabaseError, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

logger = logging.getLogger(__name__)

TABLE = "audit_transcriptline"
TOKENIZERS = {"trigrams": "trigram", "words": "unicode61 remove_diacritics 0"}


def _sqlite() -> list[str]:
    statements = []
    for index, tokenizer in TOKENIZERS.items():
        fts = f"{TABLE}_{index}"
        forget = f"INSERT INTO {fts}({fts}, rowid, text) VALUES ('delete', old.id, old.text)"
        add = f"INSERT INTO {fts}(rowid, text) VALUES (new.id, new.text)"
        statements += [
            f"CREATE VIRTUAL TABLE {fts} USING fts5(text, content='{TABLE}', content_rowid='id', "
            f"columnsize=0, tokenize='{tokenizer}')",
            f"CREATE TRIGGER {fts}_insert AFTER INSERT ON {TABLE} BEGIN {add}; END",
            f"CREATE TRIGGER {fts}_delete AFTER DELETE ON {TABLE} BEGIN {forget}; END",
            f"CREATE TRIGGER {fts}_update AFTER UPDATE OF id, text ON {TABLE} BEGIN {forget}; {add}; END",
            f"INSERT INTO {fts}({fts}) VALUES ('rebuild')",
        ]
    return statements


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        for statement in _sqlite():
            schema_editor.execute(statement)
        return
    # The words as audit.search.PG_WORDS has them.
    words = "to_tsvector('simple', regexp_replace(text, '[^[:alnum:]]+', ' ', 'g'))"
    schema_editor.execute(f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin ({words})")
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(f"CREATE INDEX {TABLE}_trigrams ON {TABLE} USING gin (UPPER(text) gin_trgm_ops)")
    except DatabaseError as error:
        # Search answers the same without it, only slowly. docs/operations.md says how to add it later.
        logger.warning("Search has no index of trigrams: %s", error)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for index in TOKENIZERS:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX IF EXISTS {TABLE}_{index}")
            continue
        for event in ("insert", "delete", "update"):
            schema_editor.execute(f"DROP TRIGGER {TABLE}_{index}_{event}")
        schema_editor.execute(f"DROP TABLE {TABLE}_{index}")


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_retention_and_review'),
        ('portal', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='TranscriptIndex',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveBigIntegerField(default=0, help_text="In the timeline's file, where an event begins.")),
                ('offset', models.PositiveBigIntegerField(default=0, help_text="The session's offset before that event.")),
                ('rendered', models.PositiveBigIntegerField(default=0, help_text="The session's offset up to which it is rendered.")),
                ('at', models.FloatField(default=0, help_text="The time of the last event: seconds since the session's start.")),
                ('state', models.JSONField(help_text="The terminal's screen there; empty before the start and once done.", null=True)),
                ('lines', models.PositiveIntegerField(default=0, help_text='Lines that do not change any more.')),
                ('done', models.BooleanField(default=False)),
                ('problem', models.CharField(blank=True, help_text='Why it ends before the recording does.', max_length=500)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='portal.organization')),
                ('recording', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='transcript_index', to='audit.recording')),
            ],
        ),
        migrations.CreateModel(
            name='TranscriptLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(help_text="The line's place in its transcript, from 0 on.")),
                ('at', models.FloatField(help_text="Seconds since the session's start.")),
                ('text', models.TextField()),
                ('settled', models.BooleanField(default=True, help_text='False while it stands on a live screen and may change.')),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='portal.organization')),
                ('recording', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='transcript_lines', to='audit.recording')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('recording', 'number'), name='transcript_line_once')],
            },
        ),
        migrations.RunPython(install, remove),
    ]
