"""`python -m tests.matrix NAME=URL...`: play the engine's contract, the demos and a core of the scenarios on
each engine, one after the other, and print what passed as a table in Markdown."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.demo import SCENARIOS as DEMOS
from hemostat.demo.player import find_obstacle
from hemostat.ports import EngineVersion
from hemostat.ports.engine import MEMORY_LIMIT
from tests.e2e.scenarios.suite import SCENARIOS as PLAYABLE
from tests.support.lab.command import environ
from tests.support.lab.image import provide_image

SCENARIOS = [
    *("docker-stop", "docker-stop-143", "docker-stop-timeout", "docker-kill", "docker-rm", "docker-restart"),
    *(
        "stop-signal",
        "pause",
        "recreate",
        "job-done",
        "exit-code",
        "sigkill",
        "segfault",
        "oom",
        "crash-loop",
    ),
    *("crash-loop-always", "job-failed", "protected", "unhealthy", "disk-high"),
]
"""What must and must not be acted on, whatever the engine."""
SECONDS = 1500


class Part(msgspec.Struct, frozen=True):
    """The result of one part. `failed` and `skipped` are names."""

    passed: int
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = [f"not: {', '.join(self.failed)}"] if self.failed else []
        notes += [f"skipped: {', '.join(self.skipped)}"] if self.skipped else []
        total = self.passed + len(self.failed)
        return f"{self.passed} of {total}" + (f" ({'; '.join(notes)})" if notes else "")


def main() -> int:
    arguments = parse_arguments()
    print("| engine | version | cgroup | " + " | ".join(arguments.parts) + " |")
    print("|---|---|---|" + "---|" * len(arguments.parts))
    is_passed = True
    for name, url in (each.split("=", 1) for each in arguments.engines):
        provide_image(url)
        engine = DockerEngine.connect(url)
        version = engine.version()
        engine.close()
        results = [PARTS[part](url, version) for part in arguments.parts]
        is_passed = is_passed and not any(each.failed for each in results)
        cells = (name, version.version, f"v{version.cgroup_version}", *map(str, results))
        print(f"| {' | '.join(cells)} |", flush=True)
    return 0 if is_passed else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("engines", nargs="+", metavar="NAME=URL", help="an engine with its address")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help="play these alone")
    return parser.parse_args()


def play_contract(url: str, _: EngineVersion) -> Part:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "docker",
        "-k",
        "not podman",
        "-p",
        "no:cacheprovider",
    ]
    output = run([*command, "-rA", "tests/contracts/test_engine.py"], url).stdout
    skipped = tuple(re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", output, re.MULTILINE))
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+)", output, re.MULTILINE)
    passed = re.findall(r"^PASSED \S+::test_(\w+)", output, re.MULTILINE)
    return Part(len(passed), tuple(failed), skipped)


def play_demos(url: str, version: EngineVersion) -> Part:
    skipped = tuple(name for name, scenario in DEMOS.items() if find_obstacle(scenario, version))
    with tempfile.TemporaryDirectory() as state:
        nowhere = environ(Path(state), REDIS_URL="unix:///nonexistent/redis.sock")
        codes = {
            name: run([sys.executable, "-m", "hemostat", "demo", name, "--json"], url, nowhere).returncode
            for name in DEMOS
            if name not in skipped
        }
    failed = tuple(name for name, code in codes.items() if code)
    return Part(len(codes) - len(failed), failed, skipped)


def play_scenarios(url: str, version: EngineVersion) -> Part:
    """Without its limit, a container that uses up its memory would use up the host's."""
    skipped = tuple(name for name in SCENARIOS if is_memory_limited(name)) * (
        MEMORY_LIMIT in version.missing_limits
    )
    names = [name for name in SCENARIOS if name not in skipped]
    ended = run([sys.executable, "-m", "tests.e2e.scenarios", "--json", "--only", *names], url)
    results = [each["result"] for each in msgspec.json.decode(ended.stdout)["played"]]
    failed = tuple(each["scenario"] for each in results if each["differences"])
    return Part(len(results) - len(failed), failed, skipped)


def is_memory_limited(name: str) -> bool:
    return any("mem_limit" in box.options for box in PLAYABLE[name].boxes)


def run(
    command: list[str], url: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    variables = {**(environment or os.environ), "DOCKER_HOST": url}
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )


PARTS = {"contract": play_contract, "demos": play_demos, "scenarios": play_scenarios}


if __name__ == "__main__":
    sys.exit(main())
