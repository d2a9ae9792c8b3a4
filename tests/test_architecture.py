"""The shape of the house: which way imports run, who reads and writes rows, what every tenant-owned row carries."""

import ast
import logging.config
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from importlinter.cli import lint_imports
from rest_framework.views import APIView

ROOT = Path(__file__).parents[1]
ROOMS = ("portal", "sessions_app", "audit")

FACES = ("views", "consumers", "admin", "forms", "pages", "tasks", "api")
"""Modules that people and programs talk to. They read by access_* and visible_to, and write by actions."""

UNSCOPED = {"all", "get", "filter", "exclude", "first", "last", "values", "values_list", "in_bulk", "raw", "iterator"}
WRITES = {"create", "bulk_create", "update", "bulk_update", "get_or_create", "update_or_create", "delete"}

READS_OF_THEIR_OWN = {
    ("portal/admin_base.py", "Organization.objects.all"): "a superuser sees every organization in the admin",
    ("audit/admin.py", "Organization.objects.filter"): "a subquery for the name beside rows that are scoped already",
    ("audit/api/views.py", "Recording.objects.filter"): "the recording of a session that access_* has given",
    ("audit/api/views.py", "ChainHead.objects.in_bulk"): "the newest heads of chains that are scoped already",
}

WITHOUT_ORGANIZATION = {
    "portal.Organization": "it is one",
    "portal.ApiToken": "belongs to an account",
    "portal.Preferences": "belongs to an account",
    "sessions_app.Installation": "the portal itself",
    "sessions_app.SessionHost": "a process of the installation",
    "sessions_app.SessionSlot": "a part of its session",
    "sessions_app.UsedTicket": "names nothing but itself",
}


def sources(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    """Each module of these rooms, parsed; migrations aside."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def is_face(path: Path) -> bool:
    return any(part.removesuffix(".py").split("_")[0] in FACES for part in path.parts[1:])


def own_models() -> set[str]:
    return {model.__name__ for room in ROOMS for model in apps.get_app_config(room).get_models()}


def on_objects(tree: ast.Module, methods: set[str]) -> Iterator[tuple[int, str]]:
    """Calls of `<Model>.objects.<method>` on models of ours."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=method, value=ast.Attribute(attr="objects", value=ast.Name(id=model)))
            ) if method in methods and model in own_models():
                yield node.lineno, f"{model}.objects.{method}"


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # It sets up logging for itself, which would silence every logger of this process and fail tests that read the log.
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    assert lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True) == 0


def test_the_command_line_knows_nothing_of_the_server() -> None:
    for path, tree in sources("cli"):
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {*ROOMS, "django"}, f"{path}:{node}"


def test_faces_read_only_what_is_visible() -> None:
    found = [
        f"{path}:{line} {call}"
        for path, tree in sources(*ROOMS)
        if is_face(path)
        for line, call in on_objects(tree, UNSCOPED)
        if (str(path), call) not in READS_OF_THEIR_OWN
    ]
    assert not found, "Use visible_to(user) or access_*: " + "; ".join(found)


def test_only_actions_write_rows() -> None:
    found = [
        f"{path}:{line} {call}"
        for path, tree in sources(*ROOMS)
        if "actions" not in str(path)
        for line, call in on_objects(tree, WRITES)
    ]
    assert not found, "Write by an action: " + "; ".join(found)


def test_every_row_of_a_tenant_carries_its_organization() -> None:
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    without = {m._meta.label for m in models if all(field.name != "organization" for field in m._meta.fields)}
    assert without == set(WITHOUT_ORGANIZATION)


def test_every_view_of_the_api_says_what_it_takes_of_a_token() -> None:
    def views(resolver: URLResolver, path: str) -> Iterator[tuple[str, type[APIView]]]:
        for entry in resolver.url_patterns:
            here = path + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from views(entry, here)
            elif isinstance(entry, URLPattern) and here.startswith("api/"):
                yield here, getattr(entry.callback, "cls", None) or entry.callback.view_class  # type: ignore[union-attr]

    found = dict(views(get_resolver(), ""))
    assert found
    for route, view in found.items():
        assert issubclass(view, APIView), route
        scopes = getattr(view, "scopes", None)
        assert scopes is not None, f"{route}: {view.__name__} declares no scopes"


@pytest.mark.parametrize("room", [*ROOMS, "cli"])
def test_nothing_of_a_room_is_too_long_to_read(room: str) -> None:
    for path, tree in sources(room):
        lines = len((ROOT / path).read_text().splitlines())
        assert lines <= 350, f"{path} has {lines} lines: split it"
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                statements = sum(isinstance(inner, ast.stmt) for inner in ast.walk(node)) - 1
                assert statements <= 40, f"{path}:{node.lineno} {node.name} has {statements} statements"
