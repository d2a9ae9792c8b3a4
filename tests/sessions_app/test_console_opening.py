"""What may be asked of a console: defaults, ceilings, and what a service does not allow; and who may ask."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from portal.consoles import HOUR, LEAST, Amount, ConsoleRules, check_console_policy, console_rules_of
from portal.models import ProviderKind, Service
from portal.permissions import Permission
from sessions_app.console_opening import ConsoleWish, allowed
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal

RULES = ConsoleRules(
    Amount(0.5, 4.0), Amount(0.25, 2.0), Amount(4.0, 24.0), "", allow_tag=True, allow_image=False, allow_user=False
)
FREE = ConsoleRules(
    Amount(0.5, 4.0), Amount(0.25, 2.0), Amount(4.0, 24.0), "debug:1", allow_tag=True, allow_image=True, allow_user=True
)


def ask(rules: ConsoleRules = RULES, kind: ProviderKind = ProviderKind.DOCKER, **wish: Any) -> dict[str, Any]:
    return allowed(ConsoleWish(**wish), rules, kind)


def refusal(rules: ConsoleRules = RULES, kind: ProviderKind = ProviderKind.DOCKER, **wish: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused:
        ask(rules, kind, **wish)
    return refused.value.message_dict


def test_where_nothing_is_asked_for_the_defaults_hold() -> None:
    asked = ask()
    assert (asked["memory"], asked["cpu"], asked["max_hours"]) == (0.5, 0.25, 4.0)
    assert (asked["image"], asked["docker_tag"], asked["user"]) == ("", "", "")
    assert ask(FREE)["image"] == "debug:1"


def test_the_ceiling_itself_and_fractions_are_allowed() -> None:
    asked = ask(memory=4, cpu=0.1, max_hours=0.25, docker_tag="v2")
    assert (asked["memory"], asked["cpu"], asked["max_hours"], asked["docker_tag"]) == (4, 0.1, 0.25, "v2")


def test_each_field_above_its_ceiling_is_named_with_it() -> None:
    errors = refusal(memory=4.1, cpu=3, max_hours=25)
    assert errors == {
        "memory": ["This service allows consoles of at least 0.01 and at most 4 GB."],
        "cpu": ["This service allows consoles of at least 0.01 and at most 2 CPU."],
        "max_hours": ["This service allows consoles of at least 0.01 and at most 24 hours."],
    }


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e300, 1e-10, 0.009])
def test_what_is_no_amount_is_refused(value: float) -> None:
    assert set(refusal(memory=value)) == {"memory"}


def test_the_least_that_can_be_made_is_allowed() -> None:
    asked = ask(memory=LEAST, cpu=LEAST, max_hours=LEAST)
    assert (asked["memory"], asked["cpu"], asked["max_hours"]) == (LEAST, LEAST, LEAST)


def test_what_a_service_does_not_let_choose_is_refused_by_name() -> None:
    errors = refusal(image="alpine", user="root")
    assert set(errors) == {"image", "user"}
    assert "Whoever manages it can allow that." in errors["image"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", "../../etc"),
        ("image", "a b"),
        ("image", "-x"),
        ("image", "host/UPPER"),
        ("image", "a?b=c"),
        ("docker_tag", "../x"),
        ("docker_tag", "a:b"),
        ("docker_tag", "a/b"),
        ("user", "root;id"),
        ("user", "-1"),
    ],
)
def test_a_name_that_nothing_could_have_is_refused(field: str, value: str) -> None:
    assert set(refusal(FREE, **{field: value})) == {field}


def test_kubernetes_takes_a_user_by_number_only() -> None:
    assert "number" in refusal(FREE, ProviderKind.KUBERNETES, user="app")["user"][0]
    assert ask(FREE, ProviderKind.KUBERNETES, user="1000:1000")["user"] == "1000:1000"
    assert ask(FREE, user="app")["user"] == "app"


def test_a_console_never_outlives_what_a_session_of_the_service_may_last() -> None:
    rules = console_rules_of(Service(console_hours_max=48), 2 * HOUR)
    assert (rules.hours.default, rules.hours.most) == (2.0, 2.0)


def test_a_low_ceiling_lowers_the_default() -> None:
    assert console_rules_of(Service(console_memory_max=0.25), None).memory == Amount(0.25, 0.25)


def test_a_service_cannot_set_a_default_above_its_ceiling_nor_an_image_without_a_name() -> None:
    with pytest.raises(ValidationError) as refused:
        check_console_policy(Service(console_memory=8))
    assert "above the ceiling of 4" in refused.value.message_dict["console_memory"][0]
    with pytest.raises(ValidationError):
        check_console_policy(Service(console_image="no image"))


async def test_the_api_says_which_parameter_is_too_much_and_opens_nothing(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("owner")
    service = portal.office.call(world.add_unreachable_service, lab, "tcp://127.0.0.1:1")
    answer = await sign_in(lab, "owner").post("sessions/", service=service, kind="console", memory=64, image="x")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["fields"]) == {"memory", "image"}
    assert "at most 4 GB" in answer.json()["fields"]["memory"][0]
    assert portal.office.call(world.sessions_of, lab) == 0


async def test_only_a_console_takes_a_consoles_parameters(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("owner")
    answer = await sign_in(lab, "owner").post("sessions/", service=lab.service, cpu=1)
    assert answer.json()["fields"] == {"cpu": ["Only a console takes this: say kind=console."]}


@pytest.mark.parametrize("who", ["developer", "auditor", "viewer", "watcher"])
async def test_a_console_takes_the_permission_console(make_lab: MakeLab, sign_in: SignIn, who: str) -> None:
    lab = make_lab(who)
    answer = await sign_in(lab, who).post("sessions/", service=lab.service, kind="console")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert "console" in answer.json()["detail"]


async def test_a_token_needs_the_scope_of_the_kind(make_lab: MakeLab, sign_in: SignIn, portal: Portal) -> None:
    lab = make_lab("owner")
    _, secret = portal.office.call(world.api_token, lab, Permission.SHELL, who="owner")
    answer = await sign_in(lab, "owner", login=secret).post("sessions/", service=lab.service, kind="console")
    assert answer.status_code == 403
    assert 'lacks the scope "console"' in answer.json()["detail"]
