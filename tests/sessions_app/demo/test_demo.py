"""`manage.py demo`, on real engines where it takes over what runs there."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from audit.events import PORTAL, Actor
from portal import actions, sealing
from portal.models import Grant, Membership, Organization, Provider, Service, Stack
from portal.permissions import Permission, Role
from sessions_app.demo import engines

pytestmark = pytest.mark.django_db

PERSON = Actor(id="1", name="somebody")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    """No engine of this machine, no password, and a data directory of the test's own."""
    for name in ("DOCKER_HOST", "KUBECONFIG", "PORTHOLE_DEMO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(engines, "DOCKER_SOCKET", tmp_path / "no.sock")
    settings.DATA_DIR = tmp_path


def load() -> str:
    output = StringIO()
    call_command("demo", stdout=output)
    return output.getvalue()


def printed_password(output: str) -> str:
    return next(line.split()[1] for line in output.splitlines() if line.startswith("Password:"))


def selectors(stack: str) -> set[tuple[str, str]]:
    return set(Service.objects.filter(stack__slug=stack).values_list("selector_kind", "selector"))


def test_makes_the_two_organizations_and_their_members() -> None:
    load()
    members = Membership.objects.values_list("organization__slug", "user__username", "role")
    assert set(members) == {
        ("acme", "owner", "owner"),
        ("acme", "developer", "developer"),
        ("acme", "auditor", "auditor"),
        ("globex", "outsider", "owner"),
    }


def test_lets_developers_work_in_acme_and_outsiders_not() -> None:
    load()
    shell = Service.objects.get(stack__slug="playground", slug="shell")
    allowed = [
        name
        for name in ("owner", "developer", "auditor", "outsider")
        if Service.objects.allowing(User.objects.get(username=name), Permission.SHELL).filter(pk=shell.pk).exists()
    ]
    assert allowed == ["owner", "developer"]


def test_opens_the_admin_to_the_owner_without_making_a_superuser() -> None:
    load()
    flags = User.objects.values_list("username", "is_staff", "is_superuser")
    assert set(flags) == {
        ("owner", True, False), ("developer", False, False), ("auditor", False, False), ("outsider", False, False),
    }  # fmt: skip


def test_prints_a_generated_password_that_stays_the_same() -> None:
    password = printed_password(load())
    assert User.objects.get(username="auditor").check_password(password)
    assert printed_password(load()) == password


def test_keeps_the_generated_password_from_other_users_of_the_machine(tmp_path: Path) -> None:
    load()
    assert (tmp_path / "demo_password").stat().st_mode & 0o777 == 0o600


def test_uses_the_operators_password_without_printing_or_keeping_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PORTHOLE_DEMO_PASSWORD", "chosen-by-the-operator")
    assert "chosen-by-the-operator" not in load()
    assert User.objects.get(username="outsider").check_password("chosen-by-the-operator")
    assert "chosen-by-the-operator" not in (tmp_path / "demo_password").read_text()


def test_sets_another_password_when_the_operator_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    monkeypatch.setenv("PORTHOLE_DEMO_PASSWORD", "chosen-by-the-operator")
    load()
    assert User.objects.get(username="owner").check_password("chosen-by-the-operator")


def test_leaves_a_password_that_its_user_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTHOLE_DEMO_PASSWORD", "chosen-by-the-operator")
    load()
    actions.set_password(actor=PERSON, user=User.objects.get(username="owner"), password="changed-by-its-user")
    load()
    assert User.objects.get(username="owner").check_password("changed-by-its-user")


def test_takes_a_weak_password_from_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTHOLE_DEMO_PASSWORD", "demo")
    load()
    assert User.objects.get(username="owner").check_password("demo")


def test_touches_no_accounts_that_it_did_not_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTHOLE_DEMO_PASSWORD", "chosen-by-the-operator")
    actions.create_user(actor=PERSON, username="owner", password="somebody-elses-own")
    with pytest.raises(CommandError, match="owner"):
        load()
    assert User.objects.get(username="owner").check_password("somebody-elses-own")
    assert not Organization.objects.exists()


def test_takes_back_nothing_that_a_person_did() -> None:
    load()
    actions.revoke(actor=PERSON, grant=Grant.objects.get())
    actions.change_member(
        actor=PERSON, membership=Membership.objects.get(user__username="auditor"), role=Role.DEVELOPER
    )
    actions.change_service(actor=PERSON, service=Service.objects.get(), name="Renamed")
    load()
    assert not Grant.objects.exists()
    assert Membership.objects.get(user__username="auditor").role == Role.DEVELOPER
    assert Service.objects.get().name == "Renamed"


def test_leaves_out_the_playground_where_the_local_provider_is_off(settings: Settings) -> None:
    settings.PORTHOLE_LOCAL_PROVIDER = False
    load()
    assert not Stack.objects.exists()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DOCKER_HOST", "unix:///nowhere/docker.sock", "/nowhere/docker.sock"),
        ("DOCKER_HOST", "ssh://somewhere", "Docker"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1", "Docker"),
        ("KUBECONFIG", "/nowhere/config", "/nowhere/config does not exist"),
    ],
)
def test_says_which_engine_it_left_out_and_loads_the_rest(
    variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    line = next(line for line in load().splitlines() if line.startswith("Left out:"))
    assert told in line
    assert [stack.slug for stack in Stack.objects.all()] == ["playground"]


@pytest.fixture
def busy_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engines are everybody's: other tests have more running there than a demo takes, and keep them busy."""
    monkeypatch.setattr(engines, "LIMIT", 1000)
    monkeypatch.setattr(engines, "TIMEOUT", 60.0)


@pytest.fixture
def docker(docker_host: str, busy_engines: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Starts a container and returns its name."""
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    started: list[str] = []

    def start(*options: str) -> str:
        name = f"demo-test-{uuid.uuid4().hex[:8]}"
        command = ["docker", "run", "--detach", "--network", "none", "--name", name, *options, "testbed/busybox:1"]
        subprocess.run(command, check=True, capture_output=True)
        started.append(name)
        return name

    yield start
    if started:
        subprocess.run(["docker", "rm", "--force", *started], check=True, capture_output=True)


@pytest.mark.docker
def test_makes_a_service_for_each_docker_container(docker: Callable[..., str]) -> None:
    name = docker()
    assert "Docker Engine" in load()
    assert ("name", name) in selectors("docker")


@pytest.mark.docker
def test_selects_a_compose_service_by_its_labels(docker: Callable[..., str]) -> None:
    project = f"demo{uuid.uuid4().hex[:6]}"
    docker("--label", f"com.docker.compose.project={project}", "--label", "com.docker.compose.service=web")
    load()
    labels = f"com.docker.compose.project={project},com.docker.compose.service=web"
    assert ("labels", labels) in selectors("docker")


@pytest.mark.docker
def test_loading_again_adds_what_is_new_and_doubles_nothing(docker: Callable[..., str]) -> None:
    first = docker()
    load()
    second = docker()
    load()
    found = Service.objects.filter(stack__slug="docker", selector__in=[first, second]).values_list(
        "selector", flat=True
    )
    assert sorted(found) == sorted([first, second])
    assert Provider.objects.filter(kind="docker").count() == 1


@pytest.mark.docker
def test_drops_services_of_what_is_gone_unless_a_person_changed_them(docker: Callable[..., str]) -> None:
    untouched, changed = docker(), docker()
    load()
    actions.change_service(actor=PERSON, service=Service.objects.get(selector=changed), idle_timeout=120)
    subprocess.run(["docker", "rm", "--force", untouched, changed], check=True, capture_output=True)
    load()
    assert {("name", untouched), ("name", changed)} & selectors("docker") == {("name", changed)}


@pytest.mark.docker
def test_keeps_a_provider_that_a_person_changed(docker: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    provider = Provider.objects.get(kind="docker")
    actions.change_provider(actor=PERSON, provider=provider, options={"host": "tcp://10.0.0.1:2376"})
    load()
    assert Provider.objects.get(kind="docker").options == {"host": "tcp://10.0.0.1:2376"}


@pytest.fixture
def namespaces(
    kubeconfig: str, kubectl: str, busy_engines: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Two namespaces with a deployment `web` each."""
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    names = [f"demo-test-{uuid.uuid4().hex[:6]}" for _ in range(2)]

    def run(*arguments: str) -> Any:
        return subprocess.run([kubectl, f"--kubeconfig={kubeconfig}", *arguments], check=True, capture_output=True)

    for name in names:
        run("create", "namespace", name)
        run("create", "deployment", "web", f"--namespace={name}", "--image=testbed/busybox:1", "--replicas=1")
        pod = {"hostNetwork": True, "containers": [{"name": "busybox", "imagePullPolicy": "Never"}]}
        patch = json.dumps({"spec": {"template": {"spec": pod}}})
        run("patch", "deployment", "web", f"--namespace={name}", f"--patch={patch}")
        run("rollout", "status", "deployment", "web", f"--namespace={name}", "--timeout=90s")
    yield names
    run("delete", "namespace", *names, "--wait=false")


@pytest.mark.kubernetes
def test_makes_a_stack_for_each_namespace(namespaces: list[str]) -> None:
    assert "Kubernetes" in load()
    assert Stack.objects.filter(slug="kubernetes").exists()
    stacks = Stack.objects.filter(namespace__in=namespaces)
    assert {stack.namespace for stack in stacks} == set(namespaces)
    for stack in stacks:
        assert ("workload", "web") in selectors(stack.slug)


@pytest.mark.kubernetes
def test_seals_the_kubeconfig_and_follows_a_new_one(
    kubeconfig: str, portal_kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    load()
    provider = Provider.objects.get(kind="kubernetes")
    current = sealing.unseal(provider.sealed_credentials)
    assert b"admintoken" not in bytes(provider.sealed_credentials)
    older = {"kubeconfig": Path(portal_kubeconfig).read_text()}
    actions.set_credentials(actor=PORTAL, provider=provider, credentials=older)
    load()
    provider.refresh_from_db()
    assert sealing.unseal(provider.sealed_credentials) == current
