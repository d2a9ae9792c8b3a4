"""Forms of the Django admin, which check what the actions would refuse, so that it stands beside the field."""

from typing import TYPE_CHECKING, Any

from django import forms

from portal import validation
from portal.actions.places import CONSOLE_FIELDS
from portal.consoles import check_console_policy
from portal.models import Provider, Service, Stack

if TYPE_CHECKING:
    _ProviderForm = forms.ModelForm[Provider]
    _StackForm = forms.ModelForm[Stack]
    _ServiceForm = forms.ModelForm[Service]
else:
    _ProviderForm = _StackForm = _ServiceForm = forms.ModelForm  # generic for the type checker only


class SecretTextarea(forms.Textarea):
    """What is typed here is never sent back, not even when the form has an error elsewhere."""

    def format_value(self, value: Any) -> str:
        return ""


class ProviderForm(_ProviderForm):
    """A provider. Credentials go in and never come out."""

    credentials = forms.JSONField(
        required=False,
        widget=SecretTextarea,
        help_text='Replaces all credentials; empty leaves them as they are. JSON, such as {"kubeconfig": "…"}, '
        '{"token": "…", "ca": "…"} or {"ca": "…", "cert": "…", "key": "…"}.',
    )
    remove_credentials = forms.BooleanField(required=False)
    operator = False

    class Meta:
        model = Provider
        fields = ["organization", "slug", "name", "kind", "options"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        credentials = cleaned.get("credentials") or {}
        if not isinstance(cleaned.get("options", {}), dict) or not isinstance(credentials, dict):
            raise forms.ValidationError("Options and credentials are JSON objects: {…}.")
        if kind:
            if not self.instance.pk or "options" in self.changed_data:
                validation.check_provider(kind, cleaned.get("options") or {}, operator=self.operator)
            validation.check_credentials(kind, credentials)
        return cleaned


class StackForm(_StackForm):
    """A stack."""

    class Meta:
        model = Stack
        fields = ["provider", "slug", "name", "namespace"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if provider := cleaned.get("provider") or (self.instance.pk and self.instance.provider):
            validation.check_stack(provider.kind, cleaned.get("namespace", ""))
        return cleaned


class ServiceForm(_ServiceForm):
    """A service."""

    class Meta:
        model = Service
        exclude = ["organization"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stack = cleaned.get("stack") or (self.instance.stack if self.instance.pk else None)
        if stack and cleaned.get("selector_kind"):
            validation.check_selector(
                stack.provider.kind, cleaned["selector_kind"], cleaned.get("selector", ""), cleaned["container_name"]
            )
        validation.check_command(cleaned.get("default_command") or [])
        check_console_policy(Service(**{name: cleaned[name] for name in CONSOLE_FIELDS if name in cleaned}))
        return cleaned
