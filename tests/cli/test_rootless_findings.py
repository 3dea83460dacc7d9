"""What `hemostat doctor` says about a rootless engine, and about probes that cannot be sent."""

import os

import pytest

from hemostat.cli.doctor import engine_checks
from hemostat.cli.doctor.engine_checks import judge_probes
from hemostat.cli.doctor.findings import Level
from hemostat.core.model import ContainerInfo, PortBinding
from hemostat.events import Container
from hemostat.ports import EngineVersion
from tests.cli.test_doctor import with_engine

REACHED = {"local": True, "reaches_container_networks": True, "reaches_host_network": True}
ROOTLESS = {"local": True, "process": 42, "rootless": True, "reaches_container_networks": False}


def engine(**changes: object) -> EngineVersion:
    return with_engine(**changes).engine().version()


def probed(name: str, **fields: object) -> ContainerInfo:
    ref = Container(id=f"{name}-id", name=name, labels={"hemostat.probe": "http://:80/health"})
    return ContainerInfo(**{"ref": ref, "status": "running", "address": "172.17.0.2", **fields})


def test_rootless_engine_is_named():
    check = engine_checks.check_engine(with_engine(**ROOTLESS, is_podman=True))
    assert check.message.startswith("rootless Podman ")
    assert engine_checks.check_engine(with_engine(local=True)).message.startswith("Docker Engine ")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"has_cgroups": False}, "their CPU and memory are not measured"),
        ({"missing_limits": ("CPU", "memory")}, "cannot limit CPU, memory"),
    ],
)
def test_missing_cgroups_are_a_warning(changes, text):
    check = engine_checks.check_cgroups(with_engine(**ROOTLESS, **changes))
    assert check.level is Level.WARNING
    assert text in check.message
    assert "systemd" in check.hint


def test_missing_controllers_of_a_kernel_are_a_warning():
    check = engine_checks.check_cgroups(with_engine(local=True, missing_limits=("memory",)))
    assert check.level is Level.WARNING
    assert "kernel" in check.hint


@pytest.mark.parametrize(("is_readable", "level"), [(True, Level.OK), (False, Level.WARNING)])
def test_unreadable_counters_of_processes_are_a_warning(is_readable, level):
    pid = os.getpid() if is_readable else 2**22 + 1
    web = ContainerInfo(ref=Container(id="web-id", name="web"), status="running", pid=pid)
    check = engine_checks.judge_processes([web])
    assert check.level is level
    assert ("hemostat.cpu.action" in check.hint) is (level is Level.WARNING)


def test_probes_that_are_sent_are_counted():
    told = judge_probes([probed("web"), probed("db", status="exited")], engine(**REACHED))
    assert told.level is Level.OK
    assert told.message.startswith("1 running container")


def test_probes_that_cannot_be_sent_are_named_with_their_reason():
    published = probed("open", bindings=(PortBinding(80, "", 8080),))
    containers = [probed("web"), probed("api"), published, probed("none", address="", network_mode="none")]
    told = judge_probes(containers, engine(**ROOTLESS))
    assert told.level is Level.WARNING
    assert "api, web: its engine is rootless" in told.message
    assert "none: it has no IP address" in told.message
    assert "open" not in told.message
    assert "publish the port" in told.hint


def test_remote_engine_gets_no_probe():
    told = judge_probes([probed("web")], engine(local=False))
    assert "its engine runs on another machine" in told.message
