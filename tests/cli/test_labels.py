"""`hemostat labels`: the labels that were understood, and those that were not."""

from types import SimpleNamespace

import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.cli.doctor.checks import run_check
from hemostat.cli.doctor.findings import Level
from hemostat.cli.doctor.labels import LABELS_CHECK
from hemostat.errors import EngineUnreachableError
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock


@pytest.fixture
def engine(monkeypatch):
    """What the command finds instead of the machine's own engine."""
    found = InMemoryEngine(FakeClock())
    monkeypatch.setattr(app, "open_engine", lambda _: found)
    return found


def make(engine: InMemoryEngine, name: str, **labels: str) -> None:
    named = {label.replace("__", "."): text for label, text in labels.items()}
    engine.run(ContainerSpec(name=name, image="busybox", command=("x",), labels=named))


def test_valid_label_is_shown_with_its_value_in_words(engine, hemostat):
    make(engine, "web", hemostat__window="90s", hemostat__disk="64m", hemostat__cpu="off", hemostat__job="no")
    make(engine, "plain")
    code, out, _ = hemostat("labels")
    assert code == 0
    for words in (["90s", "1", "min", "30", "s"], ["64m", "64.0", "MiB"], ["off", "never"], ["no", "no"]):
        assert any(" ".join(words) in " ".join(line.split()) for line in out.splitlines())
    assert "plain" not in out


def test_misspelt_label_is_shown_with_the_nearest(engine, hemostat):
    make(engine, "web", hemostat__windw="1m", hemostat__protect="true")
    make(engine, "other", hemostat__cpu="lots")
    code, out, _ = hemostat("labels", "web")
    assert code == 1
    assert "is unknown: did you mean hemostat.window?" in out
    assert "web: no action is run on it: label hemostat.protect" in out
    assert "lots" not in out


def test_container_without_labels_is_reported(engine, hemostat):
    make(engine, "plain")
    code, out, _ = hemostat("labels", "plain")
    assert code == 0
    assert "hemostat labels --list" in out


def test_unwatched_container_is_reported(engine, hemostat):
    make(engine, "web", hemostat__enable="false")
    assert "web: not watched" in hemostat("labels").out


def test_secret_in_a_command_is_masked(engine, hemostat):
    make(engine, "web", hemostat__exec="mysql --password=hunter2", hemostat__exce="mysql --password=hunter2")
    for options in ([], ["--json"]):
        assert "hunter2" not in hemostat(*options, "labels").out


def test_json_contains_all_labels(engine, hemostat):
    make(engine, "web", hemostat__enable="n")
    told = hemostat("--json", "labels").json
    assert told["ok"] is False
    (web,) = told["containers"]
    assert (web["container"], web["watched"]) == ("web", True)
    assert web["protected"].startswith("label hemostat.enable cannot be read: 'n'")
    assert web["labels"][0]["nearest"] == "hemostat.enable"


def test_all_labels_are_listed_without_an_engine(hemostat, tmp_path):
    code, out, _ = hemostat("--set", f"engine.url=unix://{tmp_path}/none.sock", "labels", "--list")
    assert code == 0
    assert "hemostat.protect" in out
    assert "hemostat.demo" not in out
    assert {"label", "example", "help"} == hemostat("labels", "--list", "--json").json["labels"][0].keys()


def test_containers_of_several_engines_are_told_apart(monkeypatch, environ, hemostat):
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1", "web2": "ssh://web2"}')
    engines = {host: InMemoryEngine(FakeClock()) for host in ("web1", "web2")}
    monkeypatch.setattr(app, "open_engine", lambda settings: engines[settings.host_name])
    make(engines["web1"], "app", hemostat__window="90s")
    make(engines["web2"], "app", hemostat__windw="1m")
    make(engines["web2"], "other", hemostat__window="90s")
    out = hemostat("labels").out
    assert "web1/app" in out
    assert "web2/app: actions need an approval" in out
    assert [each["engine"] for each in hemostat("labels", "app", "--json").json["containers"]] == [
        "web1",
        "web2",
    ]
    (other,) = hemostat("labels", "other", "--json").json["containers"]
    assert other["engine"] == "web2"
    (app_there,) = hemostat("labels", "web2/app", "--json").json["containers"]
    assert app_there["engine"] == "web2"
    assert hemostat("labels", "other", "--engine", "web1").code == 1
    assert hemostat("labels", "nobody").code == 1

    def connect(settings):
        if settings.host_name == "web1":
            raise EngineUnreachableError("web1 is away")
        return engines["web2"]

    monkeypatch.setattr(app, "open_engine", connect)
    code, out, err = hemostat("labels")
    assert code == 3
    assert "web2/other" in out
    assert "web1 is away" in err


def test_missing_container_is_an_error(engine, hemostat):
    code, _, err = hemostat("labels", "nobody")
    assert code not in {0, 1} or err


def test_doctor_names_the_first_label_errors(engine):
    machine = SimpleNamespace(engine=lambda: engine)
    make(engine, "web")
    assert run_check(LABELS_CHECK, machine).level is Level.OK
    for number in range(7):
        make(engine, f"web{number}", hemostat__windw="1m")
    check = run_check(LABELS_CHECK, machine)
    assert check.level is Level.WARNING
    assert "web0: label hemostat.windw is unknown: did you mean hemostat.window?" in check.message
    assert check.message.endswith("and 2 more")
