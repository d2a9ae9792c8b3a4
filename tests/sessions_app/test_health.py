"""The health checks of real web processes."""

import httpx


def test_each_server_answers_whatever_name_it_is_asked_by(each_url: str) -> None:
    for path in ("/healthz", "/readyz"):
        answer = httpx.get(each_url + path, headers={"Host": "10.1.2.3:8000"}, timeout=20)
        assert (answer.status_code, answer.text) == (200, "ok\n")
