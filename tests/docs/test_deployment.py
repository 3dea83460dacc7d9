"""The files that others run HemoStat with, held against the programs that read them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hemostat.topology import BY_NAME
from tests.docs.made import ROOT
from tests.required import program

UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))
PROFILES = ("--profile", "prometheus", "--profile", "grafana", "--profile", "arcane")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path):
    """Of the program that it starts only the path is another here."""
    text = unit.read_text("utf-8").replace("/opt/hemostat/bin/hemostat", sys.executable)
    copy = tmp_path / unit.name.replace("@", "@monitor")
    copy.write_text(text)
    analyze = shutil.which("systemd-analyze") or pytest.skip("there is no systemd-analyze")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if copy.name in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_as_the_document_says(shell):
    environment = {**os.environ, "_HEMOSTAT_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-m", "hemostat"], env=environment, capture_output=True, text=True, check=True
    )
    assert "_HEMOSTAT_COMPLETE" in done.stdout
    assert f"_HEMOSTAT_COMPLETE={shell}_source hemostat >" in (ROOT / "docs/DEPLOYMENT.md").read_text("utf-8")


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


def test_compose_understands_its_file():
    told = compose("config", "--services").split()
    assert set(told) == {
        "redis",
        "demo",
        *BY_NAME,
        "metrics",
        "prometheus",
        "grafana",
        "arcane",
        "arcane-keys",
    }


def test_compose_hands_on_what_it_is_given():
    told = compose("config", DOCKER_GID="123", HEMOSTAT_RESPONDER_MODE="dry-run", HEMOSTAT_HOST="web1")
    assert told.count("- '123'") + told.count('- "123"') == len({"monitor", "analyzer", "responder"})
    for variable in ("HEMOSTAT_RESPONDER_MODE: dry-run", "HEMOSTAT_HOST: web1"):
        assert told.count(variable) == len({*BY_NAME, "metrics"})


def test_compose_sets_no_variable_that_is_no_setting():
    from hemostat.config import FIELDS, variable

    known = {variable(key) for key in FIELDS}
    told = compose("config")
    used = {line.split(":")[0].strip() for line in told.splitlines() if line.strip().startswith("HEMOSTAT_")}
    assert used
    assert used <= known


KEYS = {"ARCANE_ENCRYPTION_KEY": "k1", "ARCANE_JWT_SECRET": "k2"}


@pytest.mark.parametrize("missing", [None, *KEYS])
def test_arcane_does_not_begin_without_keys_of_its_own(missing):
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


def test_the_image_is_given_what_it_copies():
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
