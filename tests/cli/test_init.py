"""`hemostat init` and `hemostat migrate autoheal`."""

import stat

import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.cli.setup import init
from hemostat.config import load
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock

SLACK_URL = "https://hooks.slack.com/services/T/B/SECRET"


@pytest.fixture
def engine(monkeypatch):
    """What the commands find instead of the machine's own engine."""
    found = InMemoryEngine(FakeClock())
    monkeypatch.setattr(app, "open_engine", lambda _, **__: found)
    return found


def make(engine, name, image="busybox", environment=None, restart_policy="no", **labels):
    engine.run(
        ContainerSpec(
            name=name,
            image=image,
            command=("x",),
            labels=labels,
            environment=environment or {},
            restart_policy=restart_policy,
        )
    )


@pytest.fixture
def file(tmp_path):
    """Where the commands write by themselves."""
    return tmp_path / "config" / "hemostat" / "hemostat.toml"


def test_yes_writes_a_private_file_that_does_nothing(hemostat, engine, file):
    make(engine, "web")
    make(engine, "db", "postgres:16")
    code, out, _ = hemostat("init", "--yes")
    assert code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load(file, environ={}).settings
    assert (settings.responder.mode, settings.responder.protect) == ("dry-run", ("db",))
    assert f"written: {file}" in out
    assert "hemostat all reports what it would do" in out


def test_options_answer_the_questions(hemostat, engine, tmp_path):
    target = tmp_path / "my file.toml"
    options = ("--only", "team=web", "--mode", "approve", "--notify", SLACK_URL, "--protect", "a,b*")
    out = hemostat("init", "--yes", *options, "--path", str(target), "--set", "monitor.window=30s").out
    settings = load(target, environ={}).settings
    assert (settings.monitor.only, settings.monitor.window) == ("team=web", 30.0)
    assert (settings.responder.mode, settings.responder.protect) == ("approve", ("a", "b*"))
    assert settings.channels["default"].url == SLACK_URL
    assert "SECRET" not in out
    assert f"hemostat --config '{target}' all" in out


@pytest.mark.parametrize(
    "option", [("--only", "="), ("--mode", "never"), ("--notify", "hooks/SECRET"), ("--protect", "\x1b")]
)
def test_invalid_option_writes_no_file(hemostat, engine, file, option):
    code, out, err = hemostat("init", "--yes", *option)
    assert code == 2
    assert "SECRET" not in out + err
    assert not file.exists()


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_without_a_terminal_yes_is_needed(hemostat, engine, file, option):
    code, _, err = hemostat("init", *option)
    assert code == 2
    assert "no terminal for the questions" in err
    assert "--yes" in err
    assert not file.exists()


@pytest.mark.parametrize("command", [("init", "--yes"), ("migrate", "autoheal")])
def test_existing_file_is_overwritten_only_with_force(hemostat, engine, file, command):
    make(engine, "heal", "willfarrell/autoheal")
    file.parent.mkdir(parents=True)
    file.write_text("host = 'mine'")
    code, _, err = hemostat(*command)
    assert (code, "--force overwrites it" in err) == (2, True)
    assert file.read_text() == "host = 'mine'"
    assert hemostat(*command, "--force").code == 0
    assert load(file, environ={}).settings.host == ""


def test_questions_are_asked_until_the_answers_are_valid(hemostat, engine, file, environ):
    make(engine, "web", autoheal="true")
    environ.setattr(init, "can_ask", lambda: True)
    answers = iter(["", "sometimes", "approve", "none", "a, b"])
    environ.setattr("click.termui.visible_prompt_func", lambda _: next(answers))
    code, _, err = hemostat("init")
    assert code == 0
    assert "'sometimes' is not one of" in err
    settings = load(file, environ={}).settings
    assert (settings.monitor.only, settings.responder.mode) == ("autoheal=true", "approve")
    assert settings.responder.protect == ("a", "b")


def test_json_contains_inventory_and_masked_settings(hemostat, engine, file):
    make(engine, "heal", "willfarrell/autoheal")
    output = hemostat("init", "--yes", "--notify", SLACK_URL, "--json").json
    assert output["path"] == str(file)
    assert output["inventory"]["healers"] == [{"container": "heal", "program": "docker-autoheal"}]
    values = {each["setting"]: each["value"] for each in output["settings"]}
    assert values["alert.channels.default.url"] == '"https://hooks.slack.com/…"'


def test_migration_shows_every_variable_and_writes_the_file(hemostat, engine, file):
    variables = {"AUTOHEAL_CONTAINER_LABEL": "all", "WEBHOOK_URL": SLACK_URL, "POST_RESTART_SCRIPT": "/x"}
    make(engine, "heal", "willfarrell/autoheal:1.2.0", variables)
    code, out, _ = hemostat("migrate", "autoheal")
    assert code == 0
    assert "heal still runs" in out
    assert "docker stop heal" in out
    assert "POST_RESTART_SCRIPT=/x" in out
    assert "SECRET" not in out
    settings = load(file, environ={}).settings
    assert (settings.monitor.only, settings.responder.mode) == ("", "auto")
    assert settings.responder.kinds == ("unhealthy",)
    assert settings.channels["webhook"].url == SLACK_URL


def test_other_program_is_stopped_for_good(hemostat, engine):
    labels = {"com.docker.compose.project": "shop"}
    make(engine, "heal", "willfarrell/autoheal", restart_policy="always", **labels)
    steps = hemostat("migrate", "autoheal", "--json").json["next_steps"]
    assert any(each.startswith("docker update --restart=no heal && docker stop heal ends") for each in steps)
    assert any("compose file" in each for each in steps)


def test_migration_in_dry_run_writes_no_file(hemostat, engine, file):
    make(engine, "heal", "qmcgaw/deunhealth")
    output = hemostat("migrate", "autoheal", "--dry-run", "--json").json
    assert (output["source"], output["program"], output["path"]) == ("heal", "deunhealth", "")
    assert not file.exists()


@pytest.mark.parametrize(
    ("images", "option", "words"),
    [
        ((), (), "no running container has an image of docker-autoheal or deunhealth"),
        (("a/autoheal", "b/deunhealth"), (), "several containers run docker-autoheal or deunhealth: c0, c1"),
        (("nginx",), ("--container", "c0"), "c0 is neither docker-autoheal nor deunhealth"),
        ((), ("--container", "none"), "none"),
    ],
)
def test_migration_without_a_clear_source_is_refused(hemostat, engine, file, images, option, words):
    for number, image in enumerate(images):
        make(engine, f"c{number}", image)
    code, _, err = hemostat("migrate", "autoheal", *option)
    assert code != 0
    assert words in err
    assert not file.exists()


def test_doctor_warns_where_labels_of_autoheal_do_not_select(hemostat, engine, environ):
    make(engine, "web", autoheal="true")
    make(engine, "other")

    def find_check():
        checks = hemostat("doctor", "--json").json["checks"]
        return next(each for each in checks if each["name"] == "other healers")

    assert find_check()["level"] == "warning"
    assert 'monitor.only = "autoheal=true"' in find_check()["hint"]
    environ.setenv("HEMOSTAT_MONITOR_ONLY", "autoheal=true")
    assert find_check()["level"] == "ok"


def test_hostile_names_are_escaped_and_bounded(hemostat, engine, file):
    project = {"com.docker.compose.project": "\x1b[31mshop\n" + "y" * 250}
    for number in range(20):
        make(engine, f"{number}\x1b[2J\n[bold]" + "x" * 200, "a/autoheal", **project)
    make(engine, "heal", "b/app", {"AUTOHEAL_CONTAINER_LABEL": "all", "AUTOHEAL_\x1b[2J": "x"})
    outputs = [hemostat("init", "--yes"), hemostat("migrate", "autoheal", "--container", "heal", "--force")]
    for code, out, err in outputs:
        assert code == 0
        assert "\x1b" not in out + err
        assert max(map(len, out.splitlines())) < 700
    assert all(line.isprintable() for line in file.read_text().splitlines())


def test_file_of_the_variable_is_written_and_read(hemostat, engine, tmp_path, environ):
    target = tmp_path / "own.toml"
    environ.setenv("HEMOSTAT_CONFIG", str(target))
    code, out, _ = hemostat("init", "--yes")
    assert (code, target.is_file()) == (0, True)
    assert "\n  hemostat all reports" in out
    assert hemostat("config", "check").out == f"ok: {target}\n"


def test_file_that_loses_its_effect_is_named(hemostat, engine, file, tmp_path, environ):
    system = tmp_path / "etc" / "hemostat.toml"
    system.parent.mkdir()
    system.touch()
    environ.setattr("hemostat.config.search_path", lambda: [file, system])
    assert f"warning: {file} takes precedence over {system}" in hemostat("init", "--yes").out


@pytest.mark.docker
def test_environment_of_a_running_autoheal_is_translated(hemostat, make_container, tmp_path):
    variables = {"AUTOHEAL_CONTAINER_LABEL": "hemostat.init-test", "AUTOHEAL_INTERVAL": "7"}
    source = make_container(environment=variables)
    make_container(labels={"hemostat.init-test": "true", "autoheal.stop.timeout": "200"})
    make_container(labels={"hemostat.init-test": "false"})
    target = tmp_path / "new.toml"
    output = hemostat("migrate", "autoheal", "--container", source, "--path", str(target), "--json").json
    rows = {each["old"]: each["new"] for each in output["table"]}
    assert "(running containers: 1)" in rows["AUTOHEAL_CONTAINER_LABEL=hemostat.init-test"]
    assert rows["AUTOHEAL_INTERVAL=7"].startswith("not needed")
    settings = load(target, environ={}).settings
    assert settings.monitor.only == "hemostat.init-test=true"
    assert settings.responder.stop_timeout_max == 200.0
