"""Signing in and out: what is kept, where, and what is said when it does not work."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command
from tests.cli.conftest import Account
from tests.integration.installation import PASSWORD

KEYRING = '''
"""Stands where the keyring package would: its four functions, on a file."""
import json, pathlib
_file = pathlib.Path(__file__).with_name("kept.json")
def _read(): return json.loads(_file.read_text()) if _file.exists() else {}
def get_keyring(): return type("Backend", (), {"priority": 5})()
def set_password(service, name, secret): _file.write_text(json.dumps({**_read(), f"{service} {name}": secret}))
def get_password(service, name): return _read().get(f"{service} {name}")
def delete_password(service, name):
    _file.write_text(json.dumps({key: kept for key, kept in _read().items() if key != f"{service} {name}"}))
'''


def test_who_signs_in_with_a_password_stays_signed_in_until_signing_out(stranger: Command, url: str) -> None:
    done = stranger.run("login", url, "--user", "developer", typed=f"{PASSWORD}\n")
    assert done.code == 0, done.err
    assert f"Signed in to {url} as developer." in done.out
    assert json.loads(stranger.says("orgs", "--json"))[0]["slug"] == "acme"
    assert stat.S_IMODE(stranger.logins.stat().st_mode) == 0o600
    assert stat.S_IMODE(stranger.logins.parent.stat().st_mode) == 0o700
    assert PASSWORD not in stranger.logins.read_text()
    stranger.says("logout")
    assert "developer" not in stranger.logins.read_text()
    done = stranger.run("orgs")
    assert (done.code, done.err) == (
        77,
        "porthole: You are not signed in to any portal. Sign in: porthole login URL.\n",
    )


def test_a_person_is_asked_for_the_password_and_it_is_not_shown(stranger: Command, url: str) -> None:
    screen = stranger.starts("login", url, "--user", "developer")
    screen.sees("Password of developer: ")
    screen.types(f"{PASSWORD}\r")
    screen.sees("Signed in to")
    assert screen.ends() == 0
    assert PASSWORD.encode() not in screen.shown


def test_a_browser_signs_in_and_signing_out_revokes_what_it_got(
    stranger: Command, url: str, developer: Account
) -> None:
    screen = stranger.starts("login", url)
    screen.sees(f"To sign in, open {url}/settings/device/\\?code=[A-Z-]+\r\n")
    code = screen.sees("[B-Z]{4}-[B-Z]{4}")
    with httpx.Client(base_url=url, headers={"Referer": url}, timeout=30, follow_redirects=True) as browser:
        confirm(browser, "developer", code)
    screen.sees(f"Signed in to {url} as developer.")
    assert screen.ends() == 0
    made = developer.call("GET", "tokens/").json()["results"][0]
    assert made["name"].startswith("porthole on ")
    assert "manage" not in made["scopes"]
    assert "acme" in stranger.says("orgs")
    assert stranger.says("logout") == f"Signed out of {url}.\n"
    assert developer.call("GET", "tokens/").json()["results"][0]["revoked_at"] is not None


def confirm(browser: httpx.Client, user: str, code: str) -> None:
    """Sign in to the portal's pages and say yes to a code."""

    def token() -> dict[str, str]:
        return {"csrfmiddlewaretoken": browser.cookies["porthole_csrf"]}

    browser.get("/accounts/login/")
    browser.post("/accounts/login/", data={"login": user, "password": PASSWORD, **token()})
    page = browser.get("/settings/device/", params={"code": code})
    assert code in page.text, page.text
    assert "Signed in" in browser.post("/settings/device/", data={"code": code, "allow": "1", **token()}).text


def test_an_access_token_that_has_expired_is_renewed_without_a_word(stranger: Command, url: str) -> None:
    stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    kept = json.loads(stranger.logins.read_text())
    kept["logins"][url]["access"] = "expired"
    stranger.logins.write_text(json.dumps(kept))
    stranger.says("orgs")
    assert json.loads(stranger.logins.read_text())["logins"][url]["access"] != "expired"


def test_a_personal_api_token_signs_in_and_goes_no_further_than_its_scopes(
    stranger: Command, developer: Account, url: str
) -> None:
    made = developer.call("POST", "tokens/", name="laptop", scopes=["view"], expires_at="2026-12-31T00:00:00Z")
    done = stranger.run("login", url, "--token", typed=made.json()["token"] + "\n")
    assert "as developer" in done.out, done.err
    stranger.says("stacks")
    screen = stranger.starts("shell", "shell")
    screen.sees('porthole: This API token lacks the scope "shell"')
    assert screen.ends() == 77


def test_the_keyring_holds_the_login_where_there_is_one(stranger: Command, url: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "keyring.py").write_text(KEYRING)
    stranger.variables["PYTHONPATH"] = f"{stranger.environment['PYTHONPATH']}:{tmp_path / 'site'}"
    done = stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    assert "The login is kept in the keyring." in done.out, done.err
    assert json.loads(stranger.logins.read_text())["logins"] == {url: {"keyring": True}}
    stranger.says("orgs")
    stranger.says("logout")
    assert json.loads((tmp_path / "site" / "kept.json").read_text()) == {}


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "said"),
    [
        (["login", "{url}", "-u", "developer"], "wrong\n", 77, "The name or the password is wrong. Try again."),
        (["login", "{url}", "--token"], "pht_wrong\n", 77, "The portal does not accept this token."),
        (["login", "http://127.0.0.1:9", "-u", "x"], "x\n", 69, "http://127.0.0.1:9 cannot be reached"),
        (["login", "ftp://example.org"], "", 2, "is no address of a portal"),
        (["login", "{url}"], "", 2, "There is no terminal to ask in."),
        (["login"], "", 2, "The portal's address is missing."),
    ],
    ids=["password", "token", "nobody there", "address", "no terminal", "no address"],
)  # fmt: skip
def test_what_goes_wrong_is_one_sentence_and_a_next_step(
    stranger: Command, url: str, arguments: list[str], typed: str, code: int, said: str
) -> None:
    done = stranger.run(*(word.format(url=url) for word in arguments), typed=typed)
    assert done.code == code
    assert said in done.err
    assert done.err.startswith("porthole: ")
    assert done.err.count("\n") == 1
    assert not stranger.logins.exists()


def test_a_login_that_the_portal_no_longer_accepts_is_said(stranger: Command, url: str) -> None:
    done = stranger.run("orgs", PORTHOLE_URL=url, PORTHOLE_TOKEN="pht_gone")
    assert done.code == 77
    assert (
        done.err == f"porthole: The portal does not accept your login any more. Sign in again: porthole login {url}\n"
    )
