"""The installation: what it is told by the environment, what it warns of, what it writes to its log."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from portal.logs import LineFormatter, redact
from portal.models import Organization, RecordingMode, Service
from portal.policy import policy_of
from portal.requests import client_address
from tests.portal.world import Tenant

ROOT = Path(__file__).parents[2]


def started(**environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check` in an environment of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PORTHOLE_DATA_DIR") if name in os.environ}
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=60)


def test_without_a_secret_key_it_says_how_to_make_one() -> None:
    result = started()
    assert result.returncode != 0
    assert "secrets.token_urlsafe" in result.stderr


def test_a_number_that_is_none_is_named() -> None:
    result = started(SECRET_KEY="k" * 60, PORT="eighty")
    assert "PORT must be a whole number" in result.stderr


def test_a_sound_environment_starts() -> None:
    key = "".join(chr(65 + number % 50) for number in range(60))
    assert started(SECRET_KEY=key).returncode == 0


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"SECRET_KEY": "short"}, "portal.E001"),
        ({"SECRET_KEY": "django-insecure-" + "abcdefghijklmnop" * 4}, "portal.E001"),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["porthole.example"]}, "portal.E002"),
        ({"PORTHOLE_ENCRYPTION_KEYS": ["nonsense"]}, "portal.E003"),
        ({"DATA_DIR": Path("/proc/nowhere")}, "portal.E004"),
        ({"PORTHOLE_LOCAL_PROVIDER": True, "DEBUG": False}, "portal.W001"),
        ({"CSRF_TRUSTED_ORIGINS": ["https://porthole.example"]}, "portal.W002"),
    ],
)
def test_a_risky_installation_is_told(settings: Settings, change: dict[str, Any], finding: str) -> None:
    settings.PORTHOLE_LOCAL_PROVIDER = False
    settings.DEBUG = False
    assert finding not in [message.id for message in run_checks()]
    for name, value in change.items():
        setattr(settings, name, value)
    (message,) = [message for message in run_checks() if message.id == finding]
    assert message.hint or message.msg


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "192.0.2.1"),
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "192.0.2.1"),
        (1, "nonsense", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_clients_address_is_what_the_trusted_proxies_say(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.PORTHOLE_TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == address
    scope = {"client": ("192.0.2.1", 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert client_address(scope) == address


@pytest.mark.parametrize(
    "secret",
    [
        "GET /ws/?ticket=eyJhbGciOi.eyJzdWIi.c2ln HTTP",
        "/api/v1/x/?token=abc123",
        "Authorization: Bearer abc123",
        "ticket.eyJhbGciOi.eyJzdWIi.c2ln",
        "eyJhbGciOi.eyJzdWIi.abc123",
        "pht_abc123",
    ],
)
def test_no_secret_reaches_the_log(secret: str) -> None:
    line = redact(f"before {secret} after")
    assert line.startswith("before ")
    assert line.endswith(" after")
    for part in ("eyJ", "abc123"):
        assert part not in line


def test_a_line_stays_one_line() -> None:
    record = logging.LogRecord("sessions_app.host", logging.INFO, __file__, 1, "who: %s", ("x\nFAKE\x1b[2J",), None)
    line = LineFormatter().format(record)
    assert line.endswith("INFO sessions_app.host who: x\\nFAKE\\x1b[2J")
    assert "\n" not in line


def database_options(url: str) -> dict[str, Any]:
    """What the settings make of DATABASE_URL."""
    program = "import json, portal.settings as s; print(json.dumps(s.DATABASES['default'].get('OPTIONS', {})))"
    env = {"PATH": os.environ["PATH"], "SECRET_KEY": "k" * 60, "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    options: dict[str, Any] = json.loads(done.stdout)
    return options


def test_a_postgresql_host_that_vanishes_is_given_up_within_seconds() -> None:
    options = database_options("postgres://u:p@db.example/porthole?connect_timeout=9&sslmode=require")
    assert options["keepalives"] == 1
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 20
    assert options["tcp_user_timeout"] == 15_000
    assert (str(options["connect_timeout"]), options["sslmode"]) == ("9", "require"), "the address has the last word"


def test_sqlite_is_asked_for_nothing_of_a_network() -> None:
    assert not {"keepalives", "tcp_user_timeout", "connect_timeout"} & set(database_options("sqlite:////tmp/x.sqlite3"))


def test_a_policy_comes_from_the_service_then_the_organization_then_the_settings(
    acme: Tenant, settings: Settings
) -> None:
    settings.PORTHOLE_IDLE_TIMEOUT = 111
    settings.PORTHOLE_SESSION_LIMIT = 7
    Organization.objects.filter(pk=acme.organization.pk).update(session_limit=5, record_input=True, max_duration=600)
    Service.objects.filter(pk=acme.service.pk).update(session_limit=2, record_input=False)
    policy = policy_of(Service.objects.select_related("organization").get(pk=acme.service.pk))
    assert (policy.session_limit, policy.record_input, policy.max_duration, policy.idle_timeout) == (2, False, 600, 111)
    other = policy_of(Service.objects.select_related("organization").get(pk=acme.other_service.pk))
    assert (other.session_limit, other.record_input, other.recording_mode) == (5, True, RecordingMode.STRICT)


def test_pages_carry_a_strict_policy(client: Any, db: None) -> None:
    answer = client.get("/accounts/login/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
