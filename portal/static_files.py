"""What the browser is told with a static file."""

from wsgiref.headers import Headers

PLAYER_WORKER = "asciinema-player-worker.min.js"
PLAYER_WORKER_POLICY = "default-src 'none'; connect-src 'self'; script-src 'wasm-unsafe-eval'"


def add_headers(headers: Headers, path: str, url: str) -> None:
    """A worker obeys the policy of its own file: the recording player's terminal is WebAssembly, no page's script is."""
    if url.endswith(f"/{PLAYER_WORKER}"):
        headers["Content-Security-Policy"] = PLAYER_WORKER_POLICY
