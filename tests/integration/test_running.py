"""Whether a container still runs, as each kind of provider tells."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions_app.backends import open_backend
from sessions_app.backends.base import Backend, Container, ProviderUnreachable
from sessions_app.demo import kubeconfig as kubeconfigs
from tests.integration.places import Cluster, DockerEngine, Place
from tests.integration.polling import until


@pytest.fixture
def in_docker(container: Place, docker_engine: DockerEngine) -> Container:
    return Container(container.name, id=docker_engine.get(container).id)


@pytest.fixture
async def docker(docker_host: str) -> AsyncIterator[Backend]:
    backend = open_backend("docker", {"host": docker_host}, {})
    yield backend
    await backend.close()


@pytest.fixture
async def kubernetes(kubeconfig: str) -> AsyncIterator[Backend]:
    backend = open_backend("kubernetes", {}, {"kubeconfig": kubeconfigs.current(Path(kubeconfig))})
    yield backend
    await backend.close()


@pytest.mark.docker
@pytest.mark.parametrize("way", ["stop", "remove"])
async def test_a_docker_container_runs_until_it_is_stopped_or_removed(
    way: str, docker: Backend, docker_engine: DockerEngine, container: Place, in_docker: Container
) -> None:
    assert await docker.running(in_docker)
    if way == "stop":
        docker_engine.get(container).kill()
    else:
        docker_engine.remove(container)
    assert not await docker.running(in_docker)


@pytest.mark.docker
async def test_a_docker_container_of_the_same_name_is_another_one(
    docker: Backend, docker_engine: DockerEngine, container: Place, in_docker: Container
) -> None:
    docker_engine.remove(container)
    docker_engine.client.containers.run(
        "testbed/debian:1", ["sleep", "infinity"], name=container.name, detach=True, network_mode="none"
    )
    assert not await docker.running(in_docker)


@pytest.mark.docker
async def test_a_paused_docker_container_runs(
    docker: Backend, docker_engine: DockerEngine, container: Place, in_docker: Container
) -> None:
    docker_engine.get(container).pause()
    assert await docker.running(in_docker)
    docker_engine.get(container).unpause()


@pytest.mark.kubernetes
async def test_a_pods_container_runs_until_the_pod_is_deleted(
    kubernetes: Backend, cluster: Cluster, pod: Place
) -> None:
    container = Container("main", pod_name=pod.name, namespace=cluster.namespace)
    assert await kubernetes.running(container)
    cluster.delete(pod)

    async def gone() -> bool:
        return not await kubernetes.running(container)

    await until(gone, "the pod is gone")


@pytest.mark.kubernetes
async def test_a_pods_container_that_was_restarted_is_another_one(
    kubernetes: Backend, cluster: Cluster, pod: Place
) -> None:
    before = Container("main", pod_name=pod.name, namespace=cluster.namespace, id="docker://one-before")
    assert not await kubernetes.running(before)


async def test_an_engine_that_does_not_answer_is_not_known(tmp_path: Path) -> None:
    backend = open_backend("docker", {"host": f"unix://{tmp_path}/none.sock"}, {})
    with pytest.raises(ProviderUnreachable):
        await backend.running(Container("any"))
    await backend.close()


async def test_this_machine_runs() -> None:
    backend = open_backend("local", {}, {})
    assert await backend.running(Container("local", id="local"))
    await backend.close()
