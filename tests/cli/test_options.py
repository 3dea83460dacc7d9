"""Global options: before or after the command, the later wins."""

import click
import pytest

from hemostat.cli.options import Globals, add_global_options


@pytest.fixture
def host_file(tmp_path):
    def write(name: str) -> str:
        path = tmp_path / f"{name}.toml"
        path.write_text(f"host = '{name}'")
        return str(path)

    return write


@pytest.mark.parametrize(
    "place",
    [
        lambda options: (*options, "config", "show"),
        lambda options: ("config", *options, "show"),
        lambda options: ("config", "show", *options),
    ],
    ids=["before", "between", "after"],
)
def test_global_options_stand_anywhere(hemostat, host_file, place):
    options = ("--config", host_file("a"), "--set", "monitor.cpu=50", "--json")
    told = hemostat(*place(options)).json
    assert (told["host"], told["monitor"]["cpu"]) == ("a", 50.0)


def test_later_option_overrides_the_earlier(hemostat, host_file):
    before = ("-c", host_file("a"), "--set", "monitor.cpu=50", "--set", "monitor.memory=60")
    after = ("-c", host_file("b"), "--set", "monitor.cpu=70", "--json")
    told = hemostat(*before, "config", "show", *after).json
    assert (told["host"], told["monitor"]["cpu"], told["monitor"]["memory"]) == ("b", 70.0, 60.0)


@pytest.mark.parametrize(
    ("pair", "hint"),
    [
        ("alert.slack_webhook=https://hooks.example/geheim", "HEMOSTAT_ALERT_SLACK_WEBHOOK"),
        ("redis.url=redis://:geheim@db:6379", "HEMOSTAT_REDIS_URL"),
        ("redis.url=unix:///run/redis.sock?password=geheim", "HEMOSTAT_REDIS_URL"),
    ],
)
def test_secret_option_is_refused_without_repeating_it(hemostat, pair, hint):
    code, out, err = hemostat("config", "check", "--set", pair)
    assert (code, out) == (2, "")
    assert hint in err
    assert "geheim" not in err


def test_url_without_password_is_accepted(hemostat):
    assert hemostat("config", "check", "--set", "redis.url=redis://db:6379/0?db=1").code == 0


def test_unknown_setting_names_the_nearest(hemostat):
    code, _, err = hemostat("config", "check", "--set", "responder.budgte=3")
    assert code == 2
    assert "did you mean responder.budget?" in err


@pytest.mark.parametrize(
    ("arguments", "verbosity"),
    [(("-q", "probe"), -1), (("probe", "-vv"), 2), (("-q", "probe", "-v"), 1), (("-v", "probe", "-q"), -1)],
)
def test_later_of_quiet_and_verbose_applies(arguments, verbosity):
    heard = []

    @click.group(invoke_without_command=True)
    def group(): ...

    @group.command()
    @click.pass_obj
    def probe(given):
        heard.append(given.verbosity)

    given = Globals()
    add_global_options(group)
    add_global_options(group)
    with group.make_context("probe", list(arguments), obj=given) as context:
        group.invoke(context)
    assert heard == [verbosity]


def test_child_process_gets_the_same_options():
    given = Globals()
    given.config, given.changes, given.verbosity = "f.toml", {"monitor.cpu": "9"}, 2
    assert given.build_arguments() == ["--config", "f.toml", "--set", "monitor.cpu=9", "-v", "-v"]
    given.log_format, given.log_file = "json", "f.log"
    assert "f.log" not in given.build_arguments()
    assert given.build_arguments()[4:6] == ["--log-format", "json"]
    given.verbosity = -1
    assert given.build_arguments()[-1] == "-q"
