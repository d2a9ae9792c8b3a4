"""Django's own signals of signing in and out, at the border to code that is not ours. No rule of ours hangs on them."""

from typing import Any

from allauth.account.signals import password_changed
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from portal import signin


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    signin.record_signed_in(request, user, via="web")


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        signin.record_signed_out(request, user)


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        signin.record_failure(request, str(credentials.get("username", "")))


@receiver(password_changed)
def changed_password(request: HttpRequest, user: User, **_: Any) -> None:
    signin.record_password_changed(request, user)
