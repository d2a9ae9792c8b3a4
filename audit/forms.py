"""What people fill in about a recording."""

from django import forms

from audit.actions_review import MAX_NOTE


class NoteForm(forms.Form):
    """A note or a reason; some decisions must have one."""

    note = forms.CharField(max_length=MAX_NOTE, required=False)

    def __init__(self, data: object = None, *, needed: bool) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["note"].required = needed
        self.fields["note"].error_messages["required"] = "Say why: it stands in the audit log."
