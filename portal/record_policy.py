"""What an organization says of its record: how long recordings are kept, and what search hides."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from portal.fields import RedactionPatternsField

MAX_RETENTION_DAYS = 36_500


class RecordPolicy(models.Model):
    """Part of `portal.models.Organization`."""

    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text="Days after which a recording's files are deleted, unless it is on legal hold; empty: never.",
    )
    redaction_patterns = RedactionPatternsField()

    class Meta:
        abstract = True
