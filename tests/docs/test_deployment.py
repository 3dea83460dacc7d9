"""The deployment files, checked with the programs that read them."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hemostat.streams import ROLES_BY_NAME
from tests.docs.made import ROOT
from tests.support.lab.command import environ, run
from tests.support.required import program

UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))
USER_UNITS = sorted((ROOT / "docs/systemd/user").glob("*.service"))
PROFILES = ("--profile", "prometheus", "--profile", "grafana", "--profile", "arcane")


@pytest.mark.parametrize(
    ("unit", "manager"),
    [*((unit, "--system") for unit in UNITS), *((unit, "--user") for unit in USER_UNITS)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_systemd_understands_the_unit(unit: Path, manager: str, tmp_path: Path):
    """Of the program that it starts only the path is another here."""
    text = re.sub(r"(?<=^ExecStart=)\S+", sys.executable, unit.read_text("utf-8"), flags=re.MULTILINE)
    copy = tmp_path / unit.name.replace("@", "@monitor")
    copy.write_text(text)
    analyze = shutil.which("systemd-analyze") or pytest.skip("there is no systemd-analyze")
    done = subprocess.run(
        [analyze, "verify", manager, "--man=no", str(copy)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if copy.name in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_has_a_low_systemd_exposure(unit: Path, tmp_path: Path):
    copy = tmp_path / unit.name.replace("@", "@monitor")
    copy.write_text(unit.read_text("utf-8"))
    analyze = shutil.which("systemd-analyze") or pytest.skip("there is no systemd-analyze")
    judge = [analyze, "security", "--offline=true", "--threshold=25", str(copy)]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.docker
@pytest.mark.redis
def test_all_roles_run_in_the_units_sandbox(state_dir: Path, tmp_path: Path):
    """By its filter of system calls, without capabilities and without executable memory. The service manager
    learns that they are up."""
    shutil.which("systemd-analyze") or pytest.skip("there is no systemd-analyze")
    unit = str(ROOT / "docs/systemd/hemostat.service")
    confined = [sys.executable, "-m", "tests.support.unit_sandbox", unit, sys.executable, "-m", "hemostat"]
    env = environ(state_dir, MONITOR_ONLY="hemostat.test.none=1", HOST="unit")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(60)
    notify = {**env, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with (
        manager,
        subprocess.Popen([*confined, "all"], env=notify, cwd=ROOT, stderr=subprocess.PIPE) as roles,
    ):
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
            assert run("status", "--json", env=env).stdout.count('"role"') == len(ROLES_BY_NAME)
            doctor = subprocess.run(
                [*confined, "doctor"], env=env, cwd=ROOT, capture_output=True, text=True, check=False
            )
        finally:
            roles.terminate()
            roles.communicate(timeout=30)
    assert "✗" not in doctor.stdout
    assert "answers at unix://" in doctor.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_as_documented(shell):
    done = subprocess.run(
        [sys.executable, "-m", "hemostat", "completion", shell], capture_output=True, text=True, check=True
    )
    assert "_HEMOSTAT_COMPLETE" in done.stdout
    assert f"hemostat completion {shell} >" in (ROOT / "docs/DEPLOYMENT.md").read_text("utf-8")


def compose(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [program("docker-compose"), "-f", str(ROOT / "docker-compose.yml"), *PROFILES, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_file_is_valid():
    told = compose("config", "--services").split()
    assert set(told) == {
        "redis",
        "engine-proxy",
        "demo",
        *ROLES_BY_NAME,
        "metrics",
        "prometheus",
        "grafana",
        "grafana-password",
        "arcane",
        "arcane-keys",
    }


def test_compose_passes_environment_variables():
    told = compose("config", DOCKER_GID="123", HEMOSTAT_RESPONDER_MODE="dry-run", HEMOSTAT_HOST="web1")
    assert told.count("- '123'") + told.count('- "123"') == len({"engine-proxy"})
    for variable in ("HEMOSTAT_RESPONDER_MODE: dry-run", "HEMOSTAT_HOST: web1"):
        assert told.count(variable) == len({*ROLES_BY_NAME, "metrics"})


def test_compose_sets_only_known_settings():
    from hemostat.config import FIELDS, get_variable_name

    known = {get_variable_name(key) for key in FIELDS}
    told = compose("config")
    used = {line.split(":")[0].strip() for line in told.splitlines() if line.strip().startswith("HEMOSTAT_")}
    assert used
    assert used <= known


def services(**environment: str) -> dict[str, dict]:
    return yaml.safe_load(compose("config", **environment))["services"]


def test_redis_and_engine_proxy_have_no_network():
    """Every user of a host can reach the addresses of its containers."""
    found = services()
    for name in ("redis", "engine-proxy"):
        assert found[name]["network_mode"] == "none"
        assert "ports" not in found[name]
    assert "--port 0 " in str(found["redis"]["command"])
    assert not {"bus", "engine-read", "engine-act"} & {
        each.partition(":")[0] for each in found["prometheus"]["volumes"]
    }


def test_only_proxy_and_arcane_mount_the_engine_socket():
    holders = {name for name, each in services().items() if any("docker.sock" in v for v in _volumes(each))}
    assert holders == {"engine-proxy", "arcane"}


def test_role_gets_only_its_requests_and_cannot_replace_sockets():
    found = services()
    sockets = {
        name: {each for each in _volumes(found[name]) if "/run/hemostat" in each}
        for name in [*ROLES_BY_NAME, "metrics"]
    }
    assert all(each.endswith(":ro") for held in sockets.values() for each in held)
    ways = {name: {each.partition(":")[0] for each in held} for name, held in sockets.items()}
    assert ways["monitor"] == ways["analyzer"] == {"bus", "engine-read"}
    assert ways["responder"] == {"bus", "engine-act"}
    assert ways["alert"] == ways["metrics"] == {"bus"}


def _volumes(service: dict) -> list[str]:
    return service.get("volumes", [])


def test_every_service_has_memory_and_process_limits():
    for name, each in services().items():
        assert each.get("mem_limit"), name
        assert each.get("pids_limit"), name


@pytest.mark.parametrize("password", ["", "p1"])
def test_grafana_has_no_default_password(password):
    found = services(GRAFANA_PASSWORD=password)
    grafana, guard = found["grafana"], found["grafana-password"]
    assert grafana["depends_on"] == {"grafana-password": {"condition": "service_completed_successfully"}}
    assert grafana["environment"] == guard["environment"] == {"GF_SECURITY_ADMIN_PASSWORD": password}
    command = [word.replace("$$", "$") for word in guard["command"]]
    done = subprocess.run(command, env=guard["environment"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is bool(password)
    assert password or "is not set: export GRAFANA_PASSWORD=$(openssl rand -hex 16)" in done.stderr


KEYS = {"ARCANE_ENCRYPTION_KEY": "k1", "ARCANE_JWT_SECRET": "k2"}


@pytest.mark.parametrize("missing", [None, *KEYS])
def test_arcane_requires_its_own_keys(missing):
    """Docker's socket, behind keys that everybody knows, would be everybody's."""
    keys = {name: value for name, value in KEYS.items() if name != missing}
    services = yaml.safe_load(compose("config", **keys))["services"]
    arcane, guard = services["arcane"], services["arcane-keys"]
    assert arcane["depends_on"] == {"arcane-keys": {"condition": "service_completed_successfully"}}
    assert guard["environment"].items() <= arcane["environment"].items()
    assert all(port.startswith("127.0.0.1:") for port in arcane["ports"])
    command = [word.replace("$$", "$") for word in guard["command"]]
    done = subprocess.run(command, env=guard["environment"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (missing is None)
    assert missing is None or f"is not set: export {missing}=$(openssl rand -hex 32)" in done.stderr


def test_build_context_contains_copied_files():
    """What .dockerignore keeps out cannot be copied."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"}
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied - {"wheel[s]"} == kept - {"wheels"}
    assert all((ROOT / name).exists() for name in copied - {"wheel[s]"})
