"""Model fields of the tenants' world."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.deconstruct import deconstructible

from audit.masking import PatternError, split_patterns
from portal.permissions import PERMISSIONS, Permission

if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
else:
    _Text = models.TextField  # generic for the type checker only


class PermissionsFormField(forms.MultipleChoiceField):
    """A box to tick for each permission."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(word, word) for word in PERMISSIONS], **kwargs)

    def prepare_value(self, value: Any) -> list[str]:
        return sorted(str(word) for word in value or ())

    def clean(self, value: Any) -> Any:
        return frozenset(Permission(word) for word in super().clean(value))


class PermissionSetField(_Text):
    """A set of `Permission`, a `frozenset` in Python and `",shell,view,"` in the database.

    The commas around each word let both databases answer "does it hold X" with one LIKE, and keep raw rows readable.
    An unknown word raises `ValidationError` on write.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def formfield(self, **kwargs: Any) -> Any:
        return PermissionsFormField(required=not self.blank, help_text=self.help_text)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> frozenset[Permission]:
        return frozenset(Permission(word) for word in (value or "").split(",") if word)

    def to_python(self, value: Iterable[str] | str | None) -> frozenset[Permission]:
        words = value.split(",") if isinstance(value, str) else (value or ())
        try:
            return frozenset(Permission(word) for word in words if word)
        except ValueError as error:
            raise ValidationError(f"{error}. Known permissions: {', '.join(PERMISSIONS)}.") from error

    def get_prep_value(self, value: Iterable[str] | str | None) -> str:
        return "".join([",", *(f"{word}," for word in sorted(self.to_python(value)))])

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj))


@deconstructible
class Between:
    """Validates a number: not below the least, not above the most, and a number at all (`nan` is neither)."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most

    def __call__(self, value: float) -> None:
        if not self.least <= value <= self.most:
            raise ValidationError(f"Give a number from {self.least:g} to {self.most:g}.", code="out_of_range")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Between) and (self.least, self.most) == (other.least, other.most)

    def __hash__(self) -> int:
        return hash((self.least, self.most))


def check_redaction_patterns(text: str) -> None:
    """`ValidationError` unless each line is a pattern that can be used."""
    try:
        split_patterns(text)
    except PatternError as error:
        raise ValidationError(str(error)) from error


class RedactionPatternsField(_Text):
    """What search hides besides the well-known forms of secrets: see `audit.masking`."""

    def __init__(self, **kwargs: Any) -> None:
        explained = (
            "What search hides besides well-known tokens: a pattern a line, in which a star is the rest of a word."
        )
        defaults: dict[str, Any] = {"blank": True, "default": "", "max_length": 20_000, "help_text": explained}
        super().__init__(**(defaults | {"validators": [check_redaction_patterns]} | kwargs))
