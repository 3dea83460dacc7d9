"""Which socket of the host is used where no address is configured."""

import os
import socket
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine.address import find_default_url

DOCKER = "unix:///var/run/docker.sock"
PODMAN = "unix:///run/podman/podman.sock"
USER = 4242


class Host:
    """A directory with sockets, as they would be on a host."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def listen(self, path: str, owner: int = 0) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        working_directory = Path.cwd()
        os.chdir(target.parent)  # The path of a socket has at most 107 characters.
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(target.name)
        finally:
            os.chdir(working_directory)
        os.chown(target, owner, owner)

    def install_dockerd(self, folder: str) -> None:
        (self.root / folder).mkdir(parents=True)
        (self.root / folder / "dockerd").touch()

    def find(self, user: int = 0, **environment: str) -> str:
        return find_default_url(environment, self.root, user)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    if os.geteuid():
        pytest.skip("only root may give files to others")
    return Host(tmp_path)


def test_dockers_socket_is_preferred(host):
    assert host.find() == DOCKER
    host.listen("run/podman/podman.sock")
    host.listen("var/run/docker.sock")
    assert host.find() == DOCKER


def test_podman_is_used_where_docker_is_not_installed(host):
    host.listen("run/podman/podman.sock")
    assert host.find() == PODMAN


@pytest.mark.parametrize("folder", ["usr/bin", "usr/sbin"])
def test_podman_is_not_used_while_an_installed_dockerd_is_away(host, folder):
    host.listen("run/podman/podman.sock")
    host.install_dockerd(folder)
    assert host.find() == DOCKER


@pytest.mark.parametrize(
    ("name", "expected"), [("docker.sock", "docker.sock"), ("podman/podman.sock", "podman/podman.sock")]
)
def test_socket_of_the_users_own_engine_is_used(host, name, expected):
    host.listen(f"run/user/4242/{name}", owner=USER)
    assert host.find(USER, XDG_RUNTIME_DIR="/run/user/4242") == f"unix:///run/user/4242/{expected}"
    assert host.find(USER) == DOCKER


@pytest.mark.parametrize(("name", "is_used"), [("docker.sock", True), ("podman/podman.sock", False)])
def test_rootless_docker_is_used_where_dockerd_is_installed(host, name, is_used):
    """Rootless Docker needs that program; Podman does not."""
    host.install_dockerd("usr/bin")
    path = f"run/user/4242/{name}"
    host.listen(path, owner=USER)
    assert host.find(USER, XDG_RUNTIME_DIR="/run/user/4242") == (f"unix:///{path}" if is_used else DOCKER)


def test_dockers_socket_is_preferred_to_the_users_own(host):
    host.listen("var/run/docker.sock")
    host.listen("run/user/4242/docker.sock", owner=USER)
    assert host.find(USER, XDG_RUNTIME_DIR="/run/user/4242") == DOCKER


def test_roots_podman_is_not_used_by_another_user(host):
    host.listen("run/podman/podman.sock")
    assert host.find(USER, XDG_RUNTIME_DIR="/run/user/4242") == DOCKER


def test_socket_of_another_user_is_not_used(host):
    host.listen("run/user/4242/podman/podman.sock", owner=USER + 1)
    assert host.find(USER, XDG_RUNTIME_DIR="/run/user/4242") == DOCKER


def test_ordinary_file_at_the_path_is_not_used(host):
    (host.root / "run/podman").mkdir(parents=True)
    (host.root / "run/podman/podman.sock").touch()
    assert host.find() == DOCKER
