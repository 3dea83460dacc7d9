"""Builds the image without a registry and starts the compose file: python -m tests.e2e.image.

The base is made from this machine, and the wheels come from the package index that pip uses here. The demo
service is then killed and must be healed by the four roles in their containers.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.docs.made import ROOT
from tests.e2e.image_base import base_image

BASE = "hemostat-test-base"
IMAGE = "hemostat-test-image"
STAGE = "hemostat-test-stage"
PROJECT = "hemostat-test-compose"
PATIENCE = 60.0


def main() -> None:
    base_image(BASE)
    build()
    out("docker", "run", "--rm", IMAGE, "--version")
    environment = {
        "HEMOSTAT_IMAGE": IMAGE,
        "REDIS_IMAGE": BASE,
        "HAPROXY_IMAGE": BASE,
        "BUSYBOX_IMAGE": BASE,
        "ARCANE_IMAGE": BASE,
        "GRAFANA_IMAGE": BASE,
        # Of an engine that others use too, nothing else is touched.
        "HEMOSTAT_MONITOR_ONLY": f"com.docker.compose.project={PROJECT}",
        "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
    }
    compose = ["docker-compose", "-p", PROJECT, "-f", str(ROOT / "docker-compose.yml")]
    os.environ.update(environment)
    try:
        out(*compose, "up", "-d", "--no-build")
        heal(compose)
        check_access(compose)
        guard(compose)
    finally:
        out(*compose, "down", "-v", "--remove-orphans", "-t", "3")
        out("docker", "rmi", "-f", IMAGE, STAGE, BASE)


def build() -> None:
    wheels = ROOT / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), "--progress-bar=off"]
    locked = [f"--requirement={ROOT / 'requirements' / name}" for name in ("build.txt", "run.txt")]
    try:
        out(*pip, "--require-hashes", *locked, quiet=True)
        arguments = ("--build-arg", f"BASE={BASE}", "--build-arg", "PIP_NO_INDEX=1")
        os.environ["DOCKER_BUILDKIT"] = "0"
        # Its first stage by a name too, so that nothing is left behind.
        for target, name in ((["--target", "build"], STAGE), ([], IMAGE)):
            out("docker", "build", "-q", *arguments, *target, "-t", name, str(ROOT))
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def heal(compose: list[str]) -> None:
    status = [*compose, "exec", "-T", "alert", "hemostat", "status", "--json"]
    await_("four roles", lambda: out(*status, quiet=True).count('"role"') == 4)
    await_("a healthy demo", lambda: "healthy" in demo(compose, "{{.State.Health.Status}}"))
    before = demo(compose, "{{.State.StartedAt}}")
    # A crash, not a failing health check: where the host has no CPU left, that one is waited with.
    out(*compose, "exec", "-T", "demo", "sh", "-c", "kill -9 $(pidof sleep)", quiet=True)
    await_("a restart", lambda: demo(compose, "{{.State.StartedAt}}") != before)
    events = [*compose, "exec", "-T", "alert", "hemostat", "events", "--type", "remediation_complete"]
    await_("the outcome", lambda: "healed" in out(*events, quiet=True))
    out(*events)


def check_access(compose: list[str]) -> None:
    """Check that the roles do not use the engine's own socket, and that Redis and its proxy are on no
    network."""
    checks = doctor(compose, "responder")
    for name in ("Redis", "Redis access", "Redis memory", "Docker Engine", "engine access"):
        if checks[name]["level"] != "ok":
            sys.exit(f"doctor: {checks[name]}")
    if "POST /containers/ID/stop" not in (said := doctor(compose, "monitor")["engine access"]["message"]):
        sys.exit(f"the monitor may act: {said}")
    for service in ("redis", "engine-proxy"):
        container = out(*compose, "ps", "-q", service, quiet=True).strip()
        form = "{{.HostConfig.NetworkMode}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
        print(f"         {service}: {out('docker', 'inspect', '-f', form, container, quiet=True)}", end="")
    print("         doctor has nothing to note on Redis and the engine", flush=True)


def doctor(compose: list[str], service: str) -> dict[str, dict[str, str]]:
    """Return the checks of `hemostat doctor` by name."""
    said = out(*compose, "exec", "-T", service, "hemostat", "doctor", "--json", quiet=True)
    return {each["name"]: each for each in json.loads(said)["checks"]}


def guard(compose: list[str]) -> None:
    """Check that Arcane and Grafana do not start without keys and a password, whatever their images are."""
    for service, words in {
        "arcane-keys": "ENCRYPTION_KEY: is not set",
        "grafana-password": "is not set",
    }.items():
        guarded = service.partition("-")[0]
        out(*compose, "--profile", guarded, "up", "-d", "--no-build", guarded, quiet=True)
        said = out(*compose, "--profile", guarded, "logs", service, quiet=True)
        if words not in said or out(*compose, "--profile", guarded, "ps", "-q", guarded, quiet=True):
            sys.exit(f"{guarded} began without a secret: {said}")
        print(f"         no {guarded} without a secret", flush=True)


def demo(compose: list[str], form: str) -> str:
    container = out(*compose, "ps", "-q", "demo", quiet=True).strip()
    return out("docker", "inspect", "-f", form, container, quiet=True)


def await_(what: str, holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() > began + PATIENCE:
            sys.exit(f"did not happen: {what}")
        time.sleep(0.2)
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def out(*command: str, quiet: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not quiet or done.returncode:
        print(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode and not quiet:
        sys.exit(f"failed: {command[0]}")
    return done.stdout


if __name__ == "__main__":
    main()
