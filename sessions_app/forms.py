"""What people fill in on the pages of sessions. A form checks the shape; what a service allows is checked where it is
opened."""

import shlex
from collections.abc import Mapping
from typing import Any

from django import forms

from portal.consoles import LEAST, Amount, ConsoleRules
from sessions_app.console_opening import AMOUNTS, CHOICES, ConsoleWish

OTHERS = {"docker_tag": "tag", "image": "image"}
"""The choices that make a console of another image."""


class ConsoleForm(forms.Form):
    """A new console: defaults filled in, ceilings shown, and nothing to choose that the service does not let choose."""

    command = forms.CharField(required=False, max_length=4000, label="Command")
    docker_tag = forms.CharField(required=False, max_length=128, label="Tag")
    image = forms.CharField(required=False, max_length=500, label="Image")
    user = forms.CharField(required=False, max_length=130, label="User")
    memory = forms.FloatField(label="Memory (GB)")
    cpu = forms.FloatField(label="CPUs")
    max_hours = forms.FloatField(label="Hours")
    pod_name = forms.CharField(required=False, max_length=253, widget=forms.HiddenInput)
    container_name = forms.CharField(required=False, max_length=253, widget=forms.HiddenInput)

    def __init__(
        self,
        rules: ConsoleRules,
        data: Mapping[str, Any] | None = None,
        *,
        command: list[str],
        target: Mapping[str, str],
        shell_missing: bool = False,
    ) -> None:
        """`command` is the service's own; `target` names the container to make it like; `shell_missing` if its image is
        known to have no shell, without which there is no console."""
        super().__init__(data, initial=dict(target))
        for name, (rule, _what) in CHOICES.items():
            if not getattr(rules, rule):
                del self.fields[name]
        self._describe("command", "the best shell found", "Runs as it stands, without the image's entrypoint.")
        self._describe("docker_tag", "as it runs now", "Another tag of the same image.")
        self._describe(
            "image", rules.image or "as it runs now", "Any image, with all that the service's containers get."
        )
        self._describe("user", "as it runs now", "A name or a number, perhaps with a group: 1000:1000.")
        self.fields["command"].initial = shlex.join(command)
        self._others = [name for name in OTHERS if shell_missing and name in self.fields]
        for name in self._others:
            self.fields[name].help_text = f"One with a shell: {rules.image or 'the image as it runs now'} has none."
            self.fields[name].widget.attrs["placeholder"] = f"another {OTHERS[name]}"
            self.fields[name].required = len(self._others) == 1
        self._bound("memory", rules.memory, "GB")
        self._bound("cpu", rules.cpu, "CPUs")
        self._bound("max_hours", rules.hours, "hours; then it ends, whatever runs")

    def _describe(self, name: str, placeholder: str, help_text: str) -> None:
        if name in self.fields:
            self.fields[name].help_text = help_text
            self.fields[name].widget.attrs |= {"placeholder": placeholder, "autocomplete": "off", "spellcheck": "false"}

    def _bound(self, name: str, amount: Amount, unit: str) -> None:
        field = self.fields[name]
        field.initial = f"{amount.default:g}"
        field.help_text = f"At most {amount.most:g} {unit}."
        field.widget.attrs |= {"min": LEAST, "max": f"{amount.most:g}", "step": "any", "inputmode": "decimal"}

    @property
    def amounts(self) -> list[forms.BoundField]:
        """The fields that have ceilings, which a page shows side by side."""
        return [self[name] for name in AMOUNTS]

    @property
    def choices(self) -> list[forms.BoundField]:
        """The others."""
        return [field for field in self.visible_fields() if field.name not in AMOUNTS]

    def clean(self) -> dict[str, Any] | None:
        """What is known to have no shell is not tried again."""
        if self._others and not self.errors and not any(self.cleaned_data[name] for name in self._others):
            raise forms.ValidationError("This image has no shell: choose another tag, or another image.")
        return super().clean()

    def clean_command(self) -> list[str]:
        """Split into words as a shell would; no shell runs it."""
        try:
            return shlex.split(self.cleaned_data["command"])
        except ValueError as error:
            raise forms.ValidationError("A quote in the command is not closed.") from error

    def wish(self) -> ConsoleWish:
        """What is asked for, once the form is valid."""
        return ConsoleWish(**self.cleaned_data)
