"""`hemostat config`."""

import stat
import tomllib
from pathlib import Path

import pytest

import hemostat as package
from hemostat.cli.setup.config_text import read_example
from hemostat.config import FIELDS


def test_init_writes_a_private_example(hemostat, tmp_path):
    code, out, _ = hemostat("config", "init")
    file = tmp_path / "config" / "hemostat" / "hemostat.toml"
    assert (code, out) == (0, f"written: {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == (Path(package.__file__).parents[1] / "hemostat.toml.example").read_text()
    assert hemostat("config", "check").out == f"ok: {file}\n"


def test_settings_of_a_new_file_are_defaults(hemostat, environ):
    environ.delenv("HEMOSTAT_STATE_DIR")
    hemostat("config", "init")
    shown = hemostat("config", "show", "--origin").out
    assert [line for line in shown.splitlines() if line.startswith("#")] == ["# default"]


def test_init_sets_only_the_options_of_its_user(hemostat, environ, tmp_path):
    environ.setenv("HEMOSTAT_MONITOR_MEMORY", "70")
    chosen = {
        "host": ('we"b\x7f', 'we"b\x7f'),
        "store.audit_key_file": ("/not-yet-there/key", "/not-yet-there/key"),
        "monitor.cpu": ("90", 90.0),
        "monitor.window": ("30s", "30s"),
        "monitor.disk": ("2GiB", "2GiB"),
        "monitor.baseline": ("true", True),
        "responder.mode": ("approve", "approve"),
        "responder.protect": ("db, redis", ["db", "redis"]),
        "responder.modes": ('{"exec": "approve"}', {"exec": "approve"}),
    }
    options = [word for key, (text, _) in chosen.items() for word in ("--set", f"{key}={text}")]
    file = tmp_path / "new.toml"
    assert hemostat("config", "init", "--path", str(file), *options).code == 0
    written = tomllib.loads(file.read_text())
    found = {
        f"{table}.{key}": value
        for table, values in written.items()
        if table != "host"
        for key, value in values.items()
    }
    assert {"host": written["host"], **found} == {key: value for key, (_, value) in chosen.items()}
    assert hemostat("config", "check", "-c", str(file)).code == 0


@pytest.mark.parametrize("change", ["monitor.cpuu=3", "monitor.cpu=much", "redis.password=x"])
def test_init_writes_no_file_for_an_invalid_setting(hemostat, tmp_path, change):
    file = tmp_path / "new.toml"
    assert hemostat("config", "init", "--path", str(file), "--set", change).code == 2
    assert not file.exists()


def test_init_overwrites_only_with_force(hemostat, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("host = 'mine'")
    file.chmod(0o644)
    code, _, err = hemostat("config", "init", "--path", str(file))
    assert (code, err) == (2, f"hemostat: {file} cannot be written: File exists: --force overwrites it\n")
    assert file.read_text() == "host = 'mine'"
    assert hemostat("config", "init", "--path", str(file), "--force").code == 0
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (read_example(), 0o600)


def test_init_writes_to_the_configuration_path(hemostat, tmp_path):
    file = tmp_path / "new.toml"
    assert hemostat("-c", str(file), "config", "init", "--json").json == {"path": str(file)}
    assert file.is_file()


def test_init_names_the_path_it_cannot_write(hemostat, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = hemostat("config", "init", "--path", str(tmp_path / "file" / "x.toml"))
    assert code == 2
    assert "x.toml cannot be written: " in err
    assert "--force" not in err


def test_show_prints_toml_that_can_be_used(hemostat, tmp_path):
    shown = hemostat("config", "show", "--set", "responder.protect=db,postgres*").out
    file = tmp_path / "again.toml"
    file.write_text(shown)
    assert hemostat("config", "show", "-c", str(file)).out == shown
    assert tomllib.loads(shown)["responder"]["protect"] == ["db", "postgres*"]


def read_origins(text):
    """The keys by their origin."""
    groups, origin = {}, ""
    for line in text.splitlines():
        if line.startswith("# "):
            origin = line.removeprefix("# ")
        elif " = " in line:
            groups.setdefault(origin, []).append(line.split(" = ")[0])
    return groups


def test_show_groups_settings_by_origin_in_toml(hemostat, environ, tmp_path):
    environ.delenv("HEMOSTAT_STATE_DIR")
    file = tmp_path / "mine.toml"
    file.write_text("monitor.window = 20")
    environ.setenv("HEMOSTAT_MONITOR_MEMORY", "70")
    out = hemostat("config", "show", "--origin", "--set", "monitor.cpu=50", "-c", str(file)).out
    groups = read_origins(out)
    assert list(groups) == ["default", f"file {file}", "environment HEMOSTAT_MONITOR_MEMORY", "flag"]
    assert [*groups.values()][1:] == [["monitor.window"], ["monitor.memory"], ["monitor.cpu"]]
    assert {key for keys in groups.values() for key in keys} == set(FIELDS)
    assert tomllib.loads(out)["monitor"]["cpu"] == 50.0


def test_show_fits_80_columns(hemostat, environ):
    environ.delenv("HEMOSTAT_STATE_DIR")
    assert max(map(len, hemostat("config", "show", "--origin").out.splitlines())) <= 80


def test_show_prints_named_settings_and_tables(hemostat):
    out = hemostat("config", "show", "trust", "monitor.cpu", "--origin").out
    assert read_origins(out) == {"default": ["monitor.cpu", "trust.labels"]}
    assert hemostat("config", "show", "host").out == 'host = ""\n'
    wrong = hemostat("config", "show", "monitor.cpuu")
    assert (wrong.code, wrong.err) == (
        2,
        "hemostat: no setting is named 'monitor.cpuu': did you mean monitor.cpu?\n",
    )


def test_show_prints_json_with_and_without_origins(hemostat):
    assert hemostat("config", "show", "--json").json["monitor"]["cpu"] == 85.0
    told = hemostat("config", "show", "--json", "--origin").json
    assert told["monitor.cpu"] == {"value": 85.0, "origin": "default"}


@pytest.mark.parametrize("options", [(), ("--origin",), ("--json",), ("--json", "--origin")])
def test_show_masks_secrets(hemostat, environ, options):
    environ.setenv("HEMOSTAT_ALERT_SLACK_WEBHOOK", "https://hooks.example/geheim")
    environ.setenv("HEMOSTAT_REDIS_URL", "redis://:geheim@db:6379/0")
    out = hemostat("config", "show", *options).out
    assert "geheim" not in out
    assert (out.count("[redacted: "), out.count("redis://********@db")) == (1, 1)


def test_check_is_satisfied_without_a_file(hemostat):
    assert hemostat("config", "check").out == "ok: no configuration file, defaults are in effect\n"
    empty = {"ok": True, "path": None, "unknown": [], "warnings": []}
    assert hemostat("config", "check", "--json").json == empty


def test_check_warns_of_a_workflows_webhook_without_its_address(hemostat, environ):
    environ.setenv("HEMOSTAT_ALERT_SLACK_WEBHOOK", "https://hooks.slack.com/triggers/T/1/geheim")
    said = hemostat("config", "check")
    assert (said.code, said.out) == (0, "ok: no configuration file, defaults are in effect\n")
    assert "channel slack: its URL is a webhook of a Slack workflow, which accepts variables" in said.err
    assert "geheim" not in said.err
    [warning] = hemostat("config", "check", "--json").json["warnings"]
    assert "variables, not messages" in warning


@pytest.mark.parametrize("command", [("config", "check"), ("alert", "--test")])
def test_url_without_https_is_reported(hemostat, environ, command):
    environ.setenv("HEMOSTAT_ALERT_SLACK_WEBHOOK", "hooks.slack.com/services/T/B/geheim")
    said = hemostat(*command)
    assert said.code == 2
    assert "channel slack: its URL does not start with https://" in said.err
    assert "geheim" not in said.err
    assert "install" not in said.err


def test_check_names_file_key_and_nearest_key(hemostat, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[monitor]\ncpuu = 3\n")
    code, out, err = hemostat("config", "check", "-c", str(file))
    assert (code, out) == (2, "")
    assert err == f"hemostat: {file}: unknown key monitor.cpuu: did you mean monitor.cpu?\n"
    assert hemostat("config", "check", "-c", str(file), "--json").json["ok"] is False


def test_check_reads_the_files_of_secrets(hemostat, tmp_path):
    for key in ("redis.password_file", "analyzer.api_key_file", "store.url_file"):
        code, _, err = hemostat("config", "check", "--set", f"{key}={tmp_path}/none")
        assert (code, err.count("\n")) == (2, 1)
        assert key in err


FOREIGN = {"HEMOSTAT_IMAGE": "registry/hemostat:1", "HEMOSTAT_PORT": "tcp://10.0.0.1:80"}


def test_foreign_variable_is_reported_in_one_line(hemostat, environ):
    for name, value in FOREIGN.items():
        environ.setenv(name, value)
    first, second = (hemostat("config", "check", "--json") for _ in range(2))
    assert (first.code, first.json["unknown"]) == (0, sorted(FOREIGN))
    told = "ignored, because no such setting exists: HEMOSTAT_IMAGE, HEMOSTAT_PORT"
    assert first.err == f"hemostat: warning: {told}\n"
    assert second.err == ""  # what this process starts inherits its environment, and does not tell it again


def test_check_refuses_a_mistyped_variable(hemostat, environ):
    environ.setenv("HEMOSTAT_RESPONDER_BUGDET", "1")
    code, _, err = hemostat("config", "check")
    assert code == 2
    assert "HEMOSTAT_RESPONDER_BUGDET (did you mean HEMOSTAT_RESPONDER_BUDGET?)" in err.splitlines()[-1]


def test_url_with_a_password_is_refused_on_the_command_line(hemostat):
    for key, value in {"redis.url": "redis://:x@h", "engine.url": "u:x@h", "redis.password": "x"}.items():
        assert hemostat("config", "check", "--set", f"{key}={value}").code == 2
    assert hemostat("config", "check", "--set", "engine.url=ssh://me@host").code == 0
