"""The list of commands, and what a wrong name gets."""

import json

import pytest

import hemostat as package
from hemostat.cli.root import COMMANDS
from hemostat.events import TYPES
from hemostat.streams import ROLES


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_command_on_80_columns(hemostat, arguments):
    code, out, _ = hemostat(*arguments)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert set(COMMANDS) <= {line.split()[0] for line in out.splitlines() if line.strip()}


def test_every_role_has_its_command():
    assert {role.command for role in ROLES} < set(COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(hemostat, name):
    code, out, err = hemostat(name, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: hemostat {name}" in out
    assert {"--config", "--set", "--json", "--quiet", "--verbose"} <= set(out.replace(",", " ").split())


def test_version_is_printed(hemostat):
    assert hemostat("--version").out == f"hemostat {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("staus",), "no such command 'staus': did you mean status?"),
        (("xyzzy",), "no such command 'xyzzy': see hemostat --help"),
        (("config", "shwo"), "no such command 'shwo': did you mean show?"),
        (("events", "--folow"), "no such option '--folow': did you mean --follow?"),
        (("status", "now"), "got unexpected extra argument (now): see hemostat status --help"),
        (("events", "--type", "gossip"), "invalid value for '--type'"),
        (("demo", "cpu-spkie"), "no such demo 'cpu-spkie': did you mean cpu-spike?"),
        (("demo", "xyzzy"), "no such demo 'xyzzy': see: hemostat demo list"),
        (("--set", "cpu", "schema"), "invalid value for '--set': 'cpu' is not KEY=VALUE"),
    ],
)
def test_usage_error_is_one_line_with_a_hint(hemostat, arguments, message):
    code, out, err = hemostat(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"hemostat: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (("staus", "--json"), 2, "no such command 'staus'", "did you mean status?"),
        (("events", "--json", "--folow"), 2, "no such option '--folow'", "did you mean --follow?"),
        (("--json", "approvals"), 3, "Redis is not running", "start HemoStat with: hemostat all"),
    ],
)
def test_error_is_json_with_the_option_json(hemostat, arguments, code, error, hint):
    said = hemostat(*arguments)
    assert (said.code, said.out) == (code, "")
    assert json.loads(said.err) == {"error": error, "hint": hint, "exit_code": code}


def test_group_without_a_command_lists_its_commands(hemostat):
    code, out, _ = hemostat("config")
    assert code == 0
    assert "init" in out


def test_the_schema_is_printed_as_json(hemostat):
    schema = hemostat("schema").json
    assert [each["properties"]["type"]["const"] for each in schema["oneOf"]] == list(TYPES)


def test_a_shell_completes_commands(hemostat, environ):
    environ.setenv("_HEMOSTAT_COMPLETE", "bash_complete")
    environ.setenv("COMP_WORDS", "hemostat do")
    environ.setenv("COMP_CWORD", "1")
    assert hemostat().out.split() == ["plain,doctor"]
