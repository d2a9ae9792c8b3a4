"""What people fill in on pages. A form checks the shape; the actions decide."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.validators import BaseValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from portal.models import Preferences
from portal.permissions import PERMISSIONS, Permission

LIFETIMES = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")]


if TYPE_CHECKING:
    _PreferencesForm = forms.ModelForm[Preferences]
else:
    _PreferencesForm = forms.ModelForm  # generic for the type checker only


class PreferencesForm(_PreferencesForm):
    """How the user wants the terminal."""

    class Meta:
        model = Preferences
        fields = ["scrollback", "font_size", "auto_close", "detach_keys"]
        labels = {
            "scrollback": "Scrollback (lines)",
            "font_size": "Font size (pixels)",
            "auto_close": "Auto-close terminal sessions",
            "detach_keys": "Detach with Ctrl-A D",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("scrollback", "font_size"):
            least, most = _bounds_of(name)
            field = self.fields[name]
            field.widget.attrs |= {"min": least, "max": most, "inputmode": "numeric"}
            field.help_text = f"{field.help_text} From {least} to {most:,}.".lstrip()


def _bounds_of(name: str) -> tuple[int, int]:
    """The least and the most that the model takes."""
    limits = {
        type(each): each.limit_value
        for each in cast("models.Field[Any, Any]", Preferences._meta.get_field(name)).validators
        if isinstance(each, BaseValidator)
    }
    return limits[MinValueValidator], limits[MaxValueValidator]


class ApiTokenForm(forms.Form):
    """A new personal API token."""

    name = forms.CharField(max_length=120, label="Name", help_text="What it is for, such as “deploy script”.")
    scopes = forms.MultipleChoiceField(
        choices=[(word, word) for word in PERMISSIONS],
        widget=forms.CheckboxSelectMultiple,
        initial=[Permission.VIEW, Permission.SHELL],
        label="May do",
        help_text="Never more than you may do yourself.",
    )
    days = forms.TypedChoiceField(choices=LIFETIMES, coerce=int, initial=30, label="Valid for")

    def chosen_scopes(self) -> frozenset[Permission]:
        """The scopes, once the form is valid."""
        return frozenset(Permission(word) for word in self.cleaned_data["scopes"])

    def expires_at(self) -> datetime:
        """The end of the token's life, once the form is valid."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"], minutes=-1)
