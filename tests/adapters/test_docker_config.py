"""The docker command's configuration, which another user may have put there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from docker.context.config import get_meta_file, get_tls_dir

from hemostat import text_file
from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.docker_engine.address import find_address
from hemostat.errors import EngineUnreachableError


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def link_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def write_large(path: Path) -> None:
    path.touch()
    os.truncate(path, text_file.MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [(os.mkfifo, "is a named pipe"), (link_endless, "is a device"), (write_large, "is larger than 16 MiB")],
)
def test_configuration_that_does_not_end_is_refused(
    config: Path, make: Callable[[Path], object], why: str
) -> None:
    make(config)
    with pytest.raises(EngineUnreachableError, match=why):
        find_address(None)


def test_configuration_that_is_replaced_later_is_refused(config: Path) -> None:
    engine = DockerEngine.make(f"unix://{config.parent}/none.sock")
    os.mkfifo(config)
    with pytest.raises(EngineUnreachableError, match="is a named pipe"):
        engine.connection._connect()


def test_configuration_names_the_context(config: Path) -> None:
    config.write_text('{"currentContext": "none"}')
    with pytest.raises(EngineUnreachableError, match="no docker context is named"):
        find_address(None)
    config.unlink()
    assert find_address("tcp://h:2375") == {"base_url": "tcp://h:2375"}


@pytest.fixture
def context_file(config: Path) -> Path:
    """The meta.json of the configured context `far`."""
    config.write_text('{"currentContext": "far"}')
    file = Path(get_meta_file("far"))
    file.parent.mkdir(parents=True)
    return file


@pytest.mark.parametrize(
    ("make", "why"),
    [(os.mkfifo, "is a named pipe"), (link_endless, "is a device"), (write_large, "is larger than 16 MiB")],
)
def test_context_that_does_not_end_is_refused(
    context_file: Path, make: Callable[[Path], object], why: str
) -> None:
    make(context_file)
    with pytest.raises(EngineUnreachableError, match=why):
        find_address(None)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"Endpoints": {"docker": {"Host": 5}}}', "[" * 100_000, '{"Endpoints": []}']
)
def test_malformed_context_is_one_error_that_names_it(context_file: Path, text: str) -> None:
    context_file.write_text(text)
    with pytest.raises(EngineUnreachableError, match="docker context far"):
        find_address(None)


def test_context_without_the_metadata_of_the_sdk_is_used(context_file: Path) -> None:
    context_file.write_text('{"Endpoints": {"docker": {"Host": "tcp://h:2375"}, "kubernetes": 1}}')
    assert find_address(None) == {"base_url": "tcp://h:2375"}


def test_certificate_is_verified_where_the_context_does_not_say(context_file: Path) -> None:
    context_file.write_text('{"Endpoints": {"docker": {"Host": "tcp://h:2376"}}}')
    Path(get_tls_dir("far", "docker")).mkdir(parents=True)
    assert find_address(None)["tls"].verify


@pytest.mark.parametrize("value", ["5", "[1]", '{"a": 1}'])
def test_context_whose_name_is_no_text_is_one_error(config: Path, value: str) -> None:
    config.write_text(f'{{"currentContext": {value}}}')
    with pytest.raises(EngineUnreachableError, match="currentContext"):
        find_address(None)
