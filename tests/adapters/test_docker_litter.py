"""What the engine's reckoning of its disk is taken for, and that only what nothing uses is ever removed."""

import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing

import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers, prunable
from hemostat.core.model import PrunableItem, PrunableKind
from hemostat.core.remediation.scaling import SWARM_SERVICE_LABEL
from hemostat.ports import engine_access
from tests.support.engine_fixtures import SESSION, eventually
from tests.support.lab.image import provide_image
from tests.support.lab.private_engine import PrivateEngine

LABELS = {"hemostat.test": SESSION}


def image(**fields: object) -> dict:
    plain = {"Id": "sha256:1", "Created": 7, "RepoTags": None, "RepoDigests": None, "Containers": 0}
    return {**plain, "Size": 100, "SharedSize": 30, "Labels": None, **fields}


def volume(**fields: object) -> dict:
    plain = {"Name": "v", "Driver": "local", "Labels": None, "Options": None}
    return {**plain, "UsageData": {"Size": 50, "RefCount": 0}, **fields}


def found(**used: object) -> list[PrunableItem]:
    """Return what is listed where the engine's lists have the rows of its disk usage."""
    return [
        *prunable.list_images(used, [], used.get("Images") or ()),
        *prunable.list_volumes(used, [], used.get("Volumes") or ()),
        *prunable.list_build_cache(used, []),
    ]


def test_untagged_image_frees_its_unshared_size():
    (told,) = found(Images=[image(RepoTags=["<none>:<none>"], RepoDigests=["<none>@<none>"])])
    assert (told.what, told.id, told.size, told.since) == (PrunableKind.IMAGE, "sha256:1", 70, 7)


@pytest.mark.parametrize(
    "fields", [{"RepoTags": ["a:1"]}, {"RepoDigests": ["a@sha256:2"]}, {"Containers": 1}]
)
def test_image_with_a_tag_or_a_container_is_in_use(fields):
    assert found(Images=[image(**fields)]) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"UsageData": {"Size": 50, "RefCount": 1}},
        {"UsageData": {"Size": -1, "RefCount": -1}},
        {"UsageData": None},
        {"Driver": "nfs"},
        {"Options": {"type": "nfs", "o": "addr=10.0.0.1"}},
    ],
)
def test_volume_in_use_or_on_another_driver_is_not_prunable(fields):
    assert [told.name for told in found(Volumes=[volume()])] == ["v"]
    assert found(Volumes=[volume(**fields)]) == []


def test_build_cache_is_one_item_without_labels():
    rows = [{"Size": 10}, {"Size": 20}, {"Size": 40, "InUse": True}, {"Size": 80, "Shared": True}]
    assert found(BuildCache=rows) == [PrunableItem(what=PrunableKind.BUILD_CACHE, size=30)]
    assert list(prunable.list_build_cache({"BuildCache": rows}, ["team"])) == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [([], 2), (["team"], 1), (["team=a"], 1), (["team=b"], 0), (["team", "team=a"], 1), (["team", "x"], 0)],
)
def test_only_items_with_all_labels_are_listed(wanted, count):
    used = {"Images": [image(), image(Labels={"team": "a"})]}
    assert len(list(prunable.list_images(used, wanted, used["Images"]))) == count


def test_labels_and_driver_are_those_of_the_lists_as_podman_has_no_others():
    used = {
        "Images": [{"Id": "1", "RepoTags": ["<none>"], "Containers": 0, "Size": 70, "Labels": {}}],
        "Volumes": [{"Name": "v", "Driver": "", "UsageData": {"Size": 50, "RefCount": 0}, "Labels": {}}],
    }
    labels = {"hemostat.keep": "true"}
    images = prunable.list_images(used, [], [{"Id": "sha256:1", "RepoTags": [], "Labels": labels}])
    volumes = prunable.list_volumes(used, [], [{"Name": "v", "Driver": "local", "Labels": labels}])
    assert [(each.size, each.labels) for each in (*images, *volumes)] == [(70, labels), (50, labels)]


@pytest.mark.parametrize("kind", ["Images", "Volumes"])
def test_item_missing_from_the_disk_usage_is_not_prunable(kind):
    rows = {"Images": [image()], "Volumes": [volume()]}[kind]
    listing = {"Images": prunable.list_images, "Volumes": prunable.list_volumes}[kind]
    assert list(listing({kind: []}, [], rows)) == []


@pytest.mark.docker
def test_protection_of_a_stopped_container_is_known_from_its_labels(docker_engine, make_container):
    container = make_container(labels={"hemostat.keep": "true"})
    docker_engine.stop(container, timeout=0)
    (item,) = of(docker_engine, PrunableKind.CONTAINER)
    assert item.labels["hemostat.keep"] == "true"


def test_engine_without_prunable_items_lists_none():
    assert found(Images=None, Volumes=None, BuildCache=None) == found() == []


def dangling(engine: DockerEngine) -> None:
    """An image without a name, with the session's label and 200 kB of its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("filler")
        entry.size = 200_000
        tar.addfile(entry, io.BytesIO(secrets.token_bytes(entry.size)))
    with engine.connection.lend_client("import image") as client:
        client.import_image_from_data(buffer.getvalue(), changes=[f"LABEL hemostat.test={SESSION}"])


def of(engine: DockerEngine, what: PrunableKind) -> list[PrunableItem]:
    return [each for each in engine.list_reclaimable(LABELS) if each.what is what]


@pytest.mark.docker
def test_dangling_image_is_listed_and_removed(docker_engine):
    dangling(docker_engine)
    (told,) = of(docker_engine, PrunableKind.IMAGE)
    assert docker_engine.discard(told) == told.size >= 200_000
    assert docker_engine.discard(told) == 0
    assert of(docker_engine, PrunableKind.IMAGE) == []


@pytest.mark.docker
def test_engine_with_a_label_filter_lists_only_matches(docker_engine):
    bounded = DockerEngine.connect(label="hemostat.test=nobody-s")
    dangling(docker_engine)
    (told,) = of(docker_engine, PrunableKind.IMAGE)
    assert bounded.list_reclaimable() == []
    bounded.close()
    docker_engine.discard(told)


@pytest.mark.docker
def test_volume_is_removed_only_while_unused(docker_engine, docker_workshop: DockerTestContainers):
    name = f"hs-test-{secrets.token_hex(4)}"
    with docker_engine.connection.lend_client("make a volume") as client:
        client.create_volume(name, labels=LABELS)
        (told,) = of(docker_engine, PrunableKind.VOLUME)
        host = client.create_host_config(binds=[f"{name}:/data"])
        user = client.create_container("hemostat-test:busybox", "true", host_config=host, labels=LABELS)["Id"]
    try:
        assert told.name == name
        assert of(docker_engine, PrunableKind.VOLUME) == []
        assert docker_engine.discard(told) == 0
    finally:
        docker_workshop.remove(user)
    assert of(docker_engine, PrunableKind.VOLUME) == [told]
    docker_engine.discard(told)
    assert of(docker_engine, PrunableKind.VOLUME) == []


@pytest.fixture(scope="module")
def other_engine() -> Iterator[DockerEngine]:
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "unshare", "ip"))):
        pytest.skip("a private engine needs root, dockerd, unshare and ip")
    try:
        private = PrivateEngine()
    except RuntimeError as error:
        pytest.skip(str(error))
    with closing(private):
        provide_image(private.url)
        engine = DockerEngine.connect(private.url)
        yield engine
        engine.close()


@pytest.mark.docker
def test_build_cache_is_listed_and_emptied(other_engine):
    build(other_engine)
    assert other_engine.find_forbidden(engine_access.CLEANUP.endpoints) == []
    (told,) = other_engine.list_reclaimable()
    assert told.what is PrunableKind.BUILD_CACHE
    assert other_engine.discard(told) == told.size > 0
    assert other_engine.list_reclaimable() == []


def build(engine: DockerEngine) -> None:
    """By BuildKit, without a tag, and refused at the end: what it has fetched stays in the cache."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        content = b"FROM hemostat-test:busybox\nRUN exit 1\n"
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    with engine.connection.lend_client("build") as client:
        url = f"{client.base_url}/v{client.api_version}/build"
        headers = {"Content-Type": "application/x-tar"}
        parameters = {"version": "2", "networkmode": "none"}
        client.post(url, data=buffer.getvalue(), params=parameters, headers=headers).raise_for_status()


@pytest.mark.docker
def test_scaled_service_keeps_its_other_settings(other_engine):
    with other_engine.connection.lend_client("make a service") as client:
        client.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
        container = {"Image": "hemostat-test:busybox", "Command": ["sleep", "1000"], "StopGracePeriod": 10**8}
        task = {"ContainerSpec": container}
        labels = {"hemostat.scale.max": "3"}
        networks = [{"Target": "host"}]
        identity = client.create_service(task, name="shop", labels=labels, networks=networks)["ID"]
        before = client.inspect_service(identity)["Spec"]
    eventually(lambda: replicas(other_engine, identity) == 1)
    told = other_engine.read_service(identity)
    assert (told.name, told.replicas, told.labels) == ("shop", 1, labels)
    other_engine.set_replicas(identity, 2)
    with other_engine.connection.lend_client("look at the service") as client:
        after = client.inspect_service(identity)["Spec"]
    assert after == {**before, "Mode": {"Replicated": {"Replicas": 2}}}
    eventually(lambda: replicas(other_engine, identity) == 2)


def replicas(engine: DockerEngine, service: str) -> int:
    """That run, as the monitor sees them."""
    infos = engine.inspect_everything()
    return sum(info.is_running and info.ref.labels.get(SWARM_SERVICE_LABEL) == service for info in infos)
