"""What every test stands on: an environment of its own, and the real engines that TESTBED_* variables point at.

A test that needs an engine says so with a marker (docker, kubernetes, postgres, redis, browser) or by asking for the
engine's fixture. Where the engine is missing the test is skipped and the summary names it; with PORTHOLE_TESTS_STRICT=1
that is a failure. PORTHOLE_TEST_DATABASE=postgres runs those that use the database on PostgreSQL instead of SQLite.
"""

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import django
import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django import DjangoDbBlocker

DATA_DIR = Path(tempfile.mkdtemp(prefix="porthole-tests-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)

# Before Django reads them; pytest-django leaves that until the conftest files are loaded.
for name in ("DATABASE_URL", "REDIS_URL", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "PORT"):
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith("PORTHOLE_") and not name.startswith("PORTHOLE_TEST")]:
    if name != "PORTHOLE_VENV":
        del os.environ[name]
os.environ.update(
    DJANGO_SETTINGS_MODULE="portal.settings",
    SECRET_KEY="the-key-of-the-tests-which-protects-nothing-but-is-long-enough",
    PORTHOLE_DATA_DIR=str(DATA_DIR),
    PORTHOLE_LOCAL_PROVIDER="1",
)
ON_POSTGRES = os.environ.get("PORTHOLE_TEST_DATABASE") == "postgres"
if ON_POSTGRES:
    os.environ["DATABASE_URL"] = os.environ["TESTBED_DATABASE_URL"]
# Here and not in pytest-django, which decides whether there is a Django before this file is read.
django.setup()

# The same examples in every run of the CI; new ones on a developer's machine.
hypothesis.settings.register_profile("porthole", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("porthole")


@dataclass(frozen=True)
class Engine:
    """Something real that tests need, and the variable that says where it is."""

    name: str
    variable: str
    default: str = ""

    @property
    def place(self) -> str:
        """Where it is; empty if it is missing."""
        return os.environ.get(self.variable) or (self.default if Path(self.default).is_file() else "")

    @property
    def missing(self) -> str:
        """Why a test that needs it was skipped."""
        return f"{self.name} is missing: {self.variable} is not set"


ENGINES = {
    "docker": Engine("a Docker Engine", "TESTBED_DOCKER_HOST"),
    "kubernetes": Engine("Kubernetes", "TESTBED_KUBECONFIG"),
    "kubectl": Engine("kubectl", "TESTBED_KUBECTL"),
    "postgres": Engine("PostgreSQL", "TESTBED_DATABASE_URL"),
    "redis": Engine("Redis", "TESTBED_REDIS_URL"),
    "browser": Engine("Chromium", "TESTBED_CHROMIUM", "/usr/bin/chromium"),
}

SHARED = ("tests/browser/", "tests/cli/")
"""Rooms whose tests share one running portal."""

LONG = ("tests/browser/", "tests/test_scripts", "tests/integration/test_reaping", "tests/integration/")
"""Where the tests are that take longest, for the order of their start."""


def need(engine: Engine) -> str:
    """Where `engine` is. Skips the test if it is nowhere, or fails it in strict mode."""
    if engine.place:
        return engine.place
    if os.environ.get("PORTHOLE_TESTS_STRICT") == "1":
        pytest.fail(engine.missing, pytrace=False)
    pytest.skip(engine.missing)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ON_POSTGRES:
        others = [item for item in items if not _uses_database(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _uses_database(item)]
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    """What takes long begins first, so that no process is left with it at the end."""
    return next((turn for turn, start in enumerate(LONG) if nodeid.startswith(start)), len(LONG))


class Rooms(LoadScopeScheduling):  # type: ignore[misc]
    """What one of several processes runs in one go: a file, or a room whose files share something dear."""

    def _split_scope(self, nodeid: str) -> str:
        return next((room for room in SHARED if nodeid.startswith(room)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Rooms:
    config.option.loadscopereorder = False  # the order of _turn
    return Rooms(config, log)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or "db" in fixtures or "transactional_db" in fixtures


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, engine in ENGINES.items():
        if item.get_closest_marker(marker):
            need(engine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    missed = {engine: sum(engine.missing in reason for reason in reasons) for engine in ENGINES.values()}
    if any(missed.values()):
        terminalreporter.section("not tested here")
    for engine, count in missed.items():
        if count:
            terminalreporter.line(f"{count} tests need {engine.name}: set {engine.variable}, or run scripts/testbed up")


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The address of a real Docker Engine."""
    return need(ENGINES["docker"])


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    """The path of an administrator's kubeconfig for a real cluster."""
    return need(ENGINES["kubernetes"])


@pytest.fixture(scope="session")
def portal_kubeconfig(kubeconfig: str) -> str:
    """The path of a kubeconfig for the cluster's user `portal`, who has no rights until a test grants some."""
    return str(Path(kubeconfig).with_name("portal.kubeconfig"))


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The path of a kubectl that fits the cluster."""
    return need(ENGINES["kubectl"])


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a PostgreSQL database whose user may create others."""
    return need(ENGINES["postgres"])


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a Redis."""
    return need(ENGINES["redis"])


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that Playwright can start."""
    return need(ENGINES["browser"])


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A test database of this run's own: a file, which several threads and processes can share, or a PostgreSQL one."""
    from django.db import connections

    database = connections.databases["default"]
    sqlite = database["ENGINE"] == "django.db.backends.sqlite3"
    database["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3") if sqlite else f"test_porthole_{os.getpid()}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: "DjangoDbBlocker") -> None:
    """Between tests that commit the tables are emptied. The audit log refuses that, so its triggers stand aside."""
    from django.db import connection

    with django_db_blocker.unblock():
        off, on = triggers_off_and_on(connection)
    flush = connection.ops.sql_flush
    connection.ops.sql_flush = lambda *args, **kwargs: [*off, *flush(*args, **kwargs), *on]  # type: ignore[method-assign]


def triggers_off_and_on(connection: "BaseDatabaseWrapper") -> tuple[list[str], list[str]]:
    """Statements by which the database's owner puts the audit log's triggers aside, and back."""
    if connection.vendor == "postgresql":
        tables = ("audit_event", "audit_chain", "audit_chainhead")
        alter = "ALTER TABLE {} {} TRIGGER USER"
        return [alter.format(t, "DISABLE") for t in tables], [alter.format(t, "ENABLE") for t in tables]
    with connection.cursor() as cursor:
        # Those of the lines stay: they empty the index of search.
        of_log = "type = 'trigger' AND tbl_name LIKE 'audit_%' AND tbl_name <> 'audit_transcriptline'"
        cursor.execute(f"SELECT name, sql FROM sqlite_master WHERE {of_log}")
        triggers = dict(cursor.fetchall())
    return [f"DROP TRIGGER {name}" for name in triggers], list(triggers.values())


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> None:
    """Passwords hashed with one iteration: other processes can still verify them, and no test waits for the hash."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1
