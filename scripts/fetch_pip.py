"""Puts the pip of requirements-pip.txt into a virtual environment that was made without one.

    fetch_pip.py requirements-pip.txt

Run it with the environment's own interpreter. It needs the standard library only, takes the wheel from the Python
Package Index and refuses a file whose hash the lock file does not name.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

INDEX = "https://pypi.org/simple/pip/"
TIMEOUT = 60.0


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  # INDEX and what it links to are https
        return bytes(answer.read())


def main(lock_file: str) -> None:
    hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", Path(lock_file).read_text(encoding="utf-8")))
    # The index's oldest form, which every mirror has: one link a file, with its hash (PEP 503).
    links = re.findall(r'href="([^"#]+\.whl)#sha256=([0-9a-f]{64})', fetch(INDEX).decode())
    url = next((urljoin(INDEX, link) for link, digest in links if digest in hashes), None)
    if url is None:
        raise SystemExit(f"{INDEX} has no wheel that {lock_file} pins.")
    content = fetch(url)
    if hashlib.sha256(content).hexdigest() not in hashes:
        raise SystemExit(f"{url} is not the file that {lock_file} pins.")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / url.rpartition("/")[2]
        wheel.write_bytes(content)
        # A wheel is a zip file and pip runs from one, so pip installs itself.
        command = [sys.executable, str(wheel / "pip"), "install", "-qq", "--no-index", "--no-input", str(wheel)]
        subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main(sys.argv[1])
