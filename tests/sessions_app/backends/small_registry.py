"""A registry with one image, which an engine on this machine pulls: the test bed has none."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _described(kind: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}


class Image:
    """An image as `docker save` writes it, as a registry gives it."""

    def __init__(self, saved: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:

            def read(name: str) -> bytes:
                member = archive.extractfile(name)
                assert member is not None
                return member.read()

            listed = json.loads(read("manifest.json"))[0]
            config, layers = read(listed["Config"]), [read(name) for name in listed["Layers"]]
        described = {"config": _described(CONFIG, config), "layers": [_described(LAYER, layer) for layer in layers]}
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **described}).encode()
        self.blobs = {_digest(blob): blob for blob in (config, *layers)}


@contextmanager
def registry(image: Image) -> Iterator[str]:
    """Serves the image under every name with the tag `1`; yields its address. Docker takes plain HTTP on a loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, _, what, which = self.path.rstrip("/").rsplit("/", 3) if self.path.count("/") > 3 else ("", "", "", "")
            if self.path == "/v2/":
                self._answer(200, b"{}", "application/json")
            elif what == "manifests" and which in ("1", _digest(image.manifest)):
                self._answer(200, image.manifest, MANIFEST)
            elif what == "blobs" and which in image.blobs:
                self._answer(200, image.blobs[which], "application/octet-stream")
            else:
                unknown = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
                self._answer(404, json.dumps(unknown).encode(), "application/json")

        do_HEAD = do_GET  # noqa: N815 - called so by http.server

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
