"""A neighbour with labels, names and processes of any size: the victim beside it is watched and healed."""

import json
import time
from contextlib import closing

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.docker_engine.answers import MAX_ANSWER_BYTES
from hemostat.adapters.docker_engine.processes import LINE_CHARACTERS
from hemostat.core.labels.definitions import LABELS
from hemostat.core.model import EngineEvent
from tests.e2e.scenarios.model import Box
from tests.redteam.scene import DIGITS
from tests.support.engine_fixtures import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis]

VALUES = (DIGITS, f"{DIGITS}d", "1e308", "\u00b2", "9" * 5000, "-1", "nan")
HUGE = "x" * 7_000_000


def watched(scene) -> int:
    return len(json.loads(scene.run("status", "--json").stdout)["containers"])


def check_of(scene, name: str) -> dict[str, object]:
    checks = json.loads(scene.run("doctor", "--json").stdout)["checks"]
    return next(each for each in checks if each["name"] == name)


def test_crash_is_healed_beside_hostile_labels(scene):
    scene.make_victim()
    for number, value in enumerate(VALUES):
        labels = {name: value for name, label in LABELS.items() if not label.is_marker}
        # Or the container would opt out, and would not be tried.
        scene.make(f"t{number}", labels={**labels, "hemostat.enable": "true", "autoheal": "true"})
    scene.start()
    eventually(lambda: watched(scene) == 1 + len(VALUES))
    scene.crash()
    scene.await_healed()
    assert "OverflowError" not in scene.stop()


def test_crash_is_healed_beside_containers_with_many_labels(scene):
    """And a list that is longer than what is read at once."""
    scene.make_victim()
    scene.make("many", labels={f"k{number}.n": "v" for number in range(200_000)})
    for number in range(3):
        scene.make(f"huge{number}", labels={"maintainer": HUGE, "hemostat.x": HUGE[:1_000_000]})
    with closing(DockerEngine.connect(label=f"hemostat.scenario={scene.group}")) as engine:
        rows = engine.list_containers()
        assert len(HUGE) * 3 > MAX_ANSWER_BYTES
        assert len(rows) == 5
        assert all(len(str(row)) < 2000 for row in rows)
        assert all(len(str(info)) < 10_000 for info in engine.inspect_everything())
    scene.start()
    scene.crash()
    scene.await_healed()


def test_crash_is_published_with_long_names_of_dependents(scene):
    victim = scene.make_victim()
    for number in range(3):
        name, labels = f"n{number}-{'a' * 100_000}", {"hemostat.depends_on": str(victim.name)}
        scene.lab.make(Box(name=name, labels=labels), start=False)
    scene.start()
    scene.crash()
    scene.await_healed()
    alert = scene.await_event(scene.about("victim"))
    assert len(str(alert)) < 20_000
    assert check_of(scene, "dead letters")["level"] == "ok"


def test_label_does_not_identify_the_engine_as_podman(scene):
    """Under Podman every death is held for seconds before it is reported."""
    begin = time.time()
    made = scene.make("t", labels={"containerExitCode": "1", "podId": ""}, main="exit 0")
    with closing(DockerEngine.connect()) as engine, closing(engine.events(begin)) as events:
        heard = next(
            each for each in events if isinstance(each, EngineEvent) and each.container.id == made.id
        )
    assert not heard.podman


def test_processes_with_megabytes_of_arguments_cost_little(scene):
    """They are cut before the engine's daemon holds them."""
    fork = (
        "A=$(head -c 100000 /dev/zero | tr '\\0' x); for i in $(seq 40); do sh -c 'sleep 300; :' $A $A & done"
    )
    made = scene.make("forks", f"{fork}; wait")
    with closing(DockerEngine.connect()) as engine:
        eventually(lambda: len(engine.top(str(made.id))) > 40)
        shown = engine.top(str(made.id))
    assert sum("sleep 300" in each for each in shown) >= 40
    assert all(len(each) <= LINE_CHARACTERS for each in shown)
