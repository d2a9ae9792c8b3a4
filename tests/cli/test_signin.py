"""Signing in and out: what is kept, where, and what is said when it does not work."""

import json
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command
from tests.cli.conftest import Account
from tests.integration.installation import PASSWORD

KEYRING = '''
"""Stands where the keyring package would: its four functions, on a file."""
import json, os, pathlib
_file = pathlib.Path(__file__).with_name("kept.json")
def _read():
    if "KEYRING_LOCKED" in os.environ: raise RuntimeError("Failed to unlock the collection!")
    return json.loads(_file.read_text()) if _file.exists() else {}
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
    sign_in_by_browser(stranger, url)
    made = developer.call("GET", "tokens/").json()["results"][0]
    assert made["name"].startswith("porthole on ")
    assert "manage" not in made["scopes"]
    assert "acme" in stranger.says("orgs")
    assert stranger.says("logout") == f"Signed out of {url}.\n"
    assert developer.call("GET", "tokens/").json()["results"][0]["revoked_at"] is not None


def test_signing_in_again_revokes_what_the_login_before_got(stranger: Command, url: str, developer: Account) -> None:
    def revoked() -> list[bool]:
        return [token["revoked_at"] is not None for token in developer.call("GET", "tokens/").json()["results"][:2]]

    sign_in_by_browser(stranger, url)
    sign_in_by_browser(stranger, url)
    assert revoked() == [False, True]
    done = stranger.run("login", url, "--user", "developer", typed=f"{PASSWORD}\n")
    assert done.out == f"Signed in to {url} as developer. The login is kept in {stranger.logins}.\n", done.err
    assert revoked() == [True, True]


def sign_in_by_browser(command: Command, url: str) -> None:
    screen = command.starts("login", url)
    screen.sees(f"To sign in, open {url}/settings/device/\\?code=[A-Z-]+\r\n")
    code = screen.sees("[B-Z]{4}-[B-Z]{4}")
    with httpx.Client(base_url=url, headers={"Referer": url}, timeout=30, follow_redirects=True) as browser:
        confirm(browser, "developer", code)
    screen.sees(f"Signed in to {url} as developer.")
    assert screen.ends() == 0


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


def test_a_renewal_changes_its_own_login_and_not_which_one_is_current(stranger: Command, url: str) -> None:
    stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    other = {"url": "http://127.0.0.1:9", "user": "me", "token": "pht_other"}
    kept = json.loads(stranger.logins.read_text())
    kept["logins"] |= {url: {**kept["logins"][url], "access": "expired"}, other["url"]: other}
    stranger.logins.write_text(json.dumps({**kept, "current": other["url"]}))
    stranger.says("orgs", PORTHOLE_URL=url)
    after = json.loads(stranger.logins.read_text())
    assert after["logins"][url]["access"] != "expired"
    assert after["current"] == other["url"]
    assert after["logins"][other["url"]] == other


def test_commands_that_keep_logins_at_once_lose_none(stranger: Command) -> None:
    keeps = (
        "import sys; from porthole.login import Login, keep\n"
        "for n in range(30): keep(Login(f'http://{sys.argv[1]}.{n}', 'me', token='t'), in_file=True)"
    )
    at_once = [
        subprocess.Popen([sys.executable, "-c", keeps, str(number)], env=stranger.environment) for number in range(3)
    ]
    assert [process.wait(60) for process in at_once] == [0, 0, 0]
    assert len(json.loads(stranger.logins.read_text())["logins"]) == 90


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


@pytest.fixture
def with_keyring(stranger: Command, tmp_path: Path) -> Path:
    """The stranger's system has a keyring, which keeps what it holds in this file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "keyring.py").write_text(KEYRING)
    stranger.variables["PYTHONPATH"] = f"{stranger.environment['PYTHONPATH']}:{tmp_path / 'site'}"
    return tmp_path / "site" / "kept.json"


def test_the_keyring_holds_the_login_where_there_is_one(stranger: Command, url: str, with_keyring: Path) -> None:
    done = stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    assert "The login is kept in the keyring." in done.out, done.err
    assert json.loads(stranger.logins.read_text())["logins"] == {url: {"keyring": True}}
    with_keyring.write_text(
        re.sub(r'\\"access\\": \\"[^"]*\\"', r'\\"access\\": \\"expired\\"', with_keyring.read_text())
    )
    assert "expired" in with_keyring.read_text()
    stranger.says("orgs")
    assert "expired" not in with_keyring.read_text()
    stranger.says("logout")
    assert json.loads(with_keyring.read_text()) == {}


def test_a_login_that_moves_to_the_file_leaves_the_keyring(stranger: Command, url: str, with_keyring: Path) -> None:
    stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    stranger.run("login", url, "-u", "developer", "--file", typed=f"{PASSWORD}\n")
    assert json.loads(with_keyring.read_text()) == {}
    stranger.says("orgs")


def test_a_locked_keyring_is_said_and_the_file_takes_its_place(stranger: Command, url: str, with_keyring: Path) -> None:
    stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    stranger.variables["KEYRING_LOCKED"] = "1"
    for command in ("orgs", "logout"):
        done = stranger.run(command)
        assert (done.code, done.err) == (
            77,
            "porthole: The keyring cannot be used (Failed to unlock the collection!). Unlock it, or keep the login in "
            f"a file: porthole login --file {url}\n",
        )
    done = stranger.run("login", url, "-u", "developer", typed=f"{PASSWORD}\n")
    assert (done.code, done.err) == (0, "")
    assert f"kept in {stranger.logins}, for the keyring cannot be used (Failed to unlock the collection!)." in done.out
    stranger.says("orgs")
    assert stranger.logins.stat().st_mode & 0o077 == 0


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


ESCAPE = "\x1b]52;c;aGk=\x07"


class HostilePortal(ThreadingHTTPServer):
    """Answers like a portal whose operator, or whoever chose a name there, wishes the reader ill."""

    page = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HostileAnswers(BaseHTTPRequestHandler):
    server: HostilePortal

    def do_GET(self) -> None:
        self._answer(403, {"code": "permission_denied", "detail": f"No{ESCAPE} to you.\nporthole: Type this"})

    def do_POST(self) -> None:
        page = self.server.page.format(url=self.server.url)
        self._answer(200, {"device_code": "x", "user_code": f"BB{ESCAPE}BB", "verification_uri_complete": page,
                           "interval": 60, "expires_in": 600})  # fmt: skip

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[HostilePortal]:
    with HostilePortal(("127.0.0.1", 0), HostileAnswers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_nothing_that_a_portal_says_reaches_the_terminal_as_a_command_to_it(
    stranger: Command, hostile: HostilePortal
) -> None:
    done = stranger.run("orgs", PORTHOLE_URL=hostile.url, PORTHOLE_TOKEN="pht_x")
    assert (done.code, done.err) == (77, "porthole: No\ufffd]52;c;aGk=\ufffd to you. porthole: Type this\n")
    hostile.page = "{url}/settings/device/?code=BBBB"
    screen = stranger.starts("login", hostile.url)
    screen.sees(f"open {hostile.url}/settings/device/\\?code=BBBB\r\n")
    screen.sees("confirm the code BB\ufffd\\]52;c;aGk=\ufffdBB\\.")


@pytest.mark.parametrize(
    "page",
    ["https://evil.example/settings/device/", "file:///etc/passwd", "{url}@evil.example/", "{url}1/", "//evil.example/",
     "{url}/" + ESCAPE],
)  # fmt: skip
def test_a_person_is_sent_to_no_other_place_than_the_portal_to_confirm(
    stranger: Command, hostile: HostilePortal, page: str
) -> None:
    hostile.page = page
    screen = stranger.starts("login", hostile.url)
    screen.sees(f"porthole: {hostile.url} sends you to another place to confirm")
    assert screen.ends() == 77
    assert b"To sign in" not in screen.shown
    assert b"\x1b]52" not in screen.shown
