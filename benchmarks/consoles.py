"""A console's first prompt beside that of `docker run -it` and `kubectl run -it`, turn by turn.

The commands run as a person runs them, in a pseudo-terminal, with the same image and the same bash.
"""

import json
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client import Portal
from benchmarks.engine import IMAGE
from benchmarks.measure import Times, end, timed
from benchmarks.server import run_inside

ROUNDS = 5
PATIENCE = 60.0
PROMPT = b"# "
ASKS = b"try pressing enter"
SMALL = {"kind": "console", "memory": 0.25, "cpu": 1}
SPEC = {"hostNetwork": True, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
"""What the test bed's one-node cluster needs of a pod."""

ADD_KUBERNETES = """
import sys
from pathlib import Path
from audit.events import PORTAL
from portal import actions
from portal.models import Organization
from sessions_app.demo import kubeconfig
provider = actions.create_provider(actor=PORTAL, organization=Organization.objects.get(slug="bench"), slug="kubernetes",
                                   name="Kubernetes", kind="kubernetes",
                                   credentials={"kubeconfig": kubeconfig.current(Path(sys.argv[1]))})
stack = actions.create_stack(actor=PORTAL, provider=provider, slug="pods", name="Pods", namespace=sys.argv[2])
actions.create_service(actor=PORTAL, stack=stack, slug="pods", name="Pods", selector_kind="name", selector="like",
                       console_cpu_max=2)
"""


def on_docker(portal: Portal, service: int) -> tuple[Times, Times] | None:
    """`docker run -it` and a console of a Docker service; None without the command."""
    if shutil.which("docker") is None:
        return None
    host = os.environ["DOCKER_HOST"]
    command = ["docker", "--host", host, "run", "-it", "--rm", "--network", "none", IMAGE, "bash"]
    return _in_turn(lambda: prompt_of(command), portal, service)


def on_kubernetes(folder: Path, port: int, portal: Portal) -> tuple[Times, Times] | None:
    """`kubectl run -it` and a console of a cluster's service; None without a test cluster."""
    kubectl, kubeconfig = os.environ.get("TESTBED_KUBECTL"), os.environ.get("TESTBED_KUBECONFIG")
    if not kubectl or not kubeconfig:
        return None
    with _namespace([kubectl, "--kubeconfig", kubeconfig]) as (command, namespace):
        run_inside(folder, port, ADD_KUBERNETES, kubeconfig, namespace)
        run = [*command, "run", "plain", "-it", "--rm", "--restart=Never", f"--image={IMAGE}"]
        run += ["--image-pull-policy=Never", f"--overrides={json.dumps({'spec': SPEC})}", "--command", "--", "bash"]
        return _in_turn(lambda: prompt_of(run), portal, portal.service("pods"))


def _in_turn(plainly: Callable[[], float], portal: Portal, service: int) -> tuple[Times, Times]:
    plainly(), _console(portal, service)
    ways: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        ways[0].append(plainly())
        ways[1].append(_console(portal, service))
    return Times(ways[0]), Times(ways[1])


def _console(portal: Portal, service: int) -> float:
    """Milliseconds from the click to the prompt; then it ends, and the next one begins when it is gone."""
    shells = []

    def open_one() -> None:
        shells.append(portal.shell(service, ["bash"], **SMALL))
        shells[0].until(PROMPT)

    took = timed(open_one)
    end(shells[0])
    deadline = time.monotonic() + PATIENCE
    while portal.state(shells[0].uid) != "stopped" and time.monotonic() < deadline:
        time.sleep(0.1)
    return took


def prompt_of(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> float:
    """Milliseconds until a command that a person would type shows a prompt; then it ends."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], list(argv), dict(environment))
    seen, took = b"", 0.0
    while not took:
        if not select.select([terminal], [], [], PATIENCE)[0]:
            raise TimeoutError(f"{argv[0]} shows no prompt")
        seen += os.read(terminal, 4096)
        if ASKS in seen:  # kubectl attaches after the shell has shown its prompt, and asks for another
            seen = b""
            os.write(terminal, b"\n")
        took = (time.perf_counter() - began) * 1000 if PROMPT in seen else 0.0
    os.write(terminal, b"exit\n")
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # the terminal's other side is closed
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return took


@contextmanager
def _namespace(kubectl: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """A namespace with a pod to make consoles like."""
    namespace = f"benchmark-{os.getpid()}"
    command = [*kubectl, "--namespace", namespace]
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "infinity"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "like"}, "spec": SPEC | {"containers": [container]}}
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*kubectl, "create", "namespace", namespace], **quiet)
    try:
        subprocess.run([*command, "apply", "-f", "-"], input=json.dumps(pod), text=True, **quiet)
        subprocess.run([*command, "wait", "pod/like", "--for=condition=Ready", "--timeout=60s"], **quiet)
        yield command, namespace
    finally:
        subprocess.run([*kubectl, "delete", "namespace", namespace, "--wait=false"], **quiet)
