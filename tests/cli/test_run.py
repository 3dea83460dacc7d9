"""How a command ends: exit code, one line, no traceback."""

import os
import subprocess
import sys

import click
import pytest

from hemostat import errors
from hemostat.cli.main import _explain
from hemostat.cli.options import Globals
from hemostat.core.text import escape_controls


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            errors.ConfigError("a: unknown key b", hint="did you mean c?"),
            2,
            "a: unknown key b: did you mean c?",
        ),
        (errors.EngineUnreachableError("no engine"), 3, "no engine"),
        (errors.BusUnreachableError("no Redis", hint="start one"), 3, "no Redis: start one"),
        (errors.TimedOutError("too slow"), 4, "too slow"),
        (errors.EngineError("refused"), 1, "refused"),
        (click.UsageError("That is wrong."), 2, "that is wrong: see hemostat --help"),
        (ValueError("7 is odd"), 70, "bug: ValueError: 7 is odd: -v shows the traceback"),
    ],
)
def test_every_failure_has_its_exit_code_and_one_line(capsys, error, code, told):
    assert _explain(error, Globals()) == code
    assert capsys.readouterr() == ("", f"hemostat: {told}\n")


def test_a_traceback_is_shown_on_demand_only(spawn, tmp_path):
    """A command that imports a missing module is a bug, by definition."""
    (tmp_path / "platformdirs.py").write_text("raise ValueError('7 is odd')")
    brief = spawn("config", "init", cwd=tmp_path).communicate(timeout=20)[1]
    full = spawn("config", "init", "-v", cwd=tmp_path).communicate(timeout=20)[1]
    assert brief == "hemostat: bug: ValueError: 7 is odd: -v shows the traceback\n"
    assert full.startswith("Traceback")
    assert full.endswith("hemostat: bug: ValueError: 7 is odd\n")


def test_control_characters_are_escaped(capsys):
    _explain(errors.EngineError("a\x1b[31mb\nc\rd\x07é"), Globals())
    assert capsys.readouterr().err == "hemostat: a\\x1b[31mb\\nc\\rd\\x07é\n"


@pytest.mark.parametrize("text", ["plain", "Grüße ✓", "", "日本"])
def test_harmless_text_is_unchanged(text):
    assert escape_controls(text) == text


def test_missing_redis_exits_with_3_in_viewers(hemostat, tmp_path):
    address = f"unix://{tmp_path}/none.sock"
    for command in (("status",), ("events",), ("events", "-f")):
        code, out, err = hemostat(*command, "--set", f"redis.url={address}")
        assert (code, out) == (3, "")
        assert err.count("\n") == 1
        assert "Traceback" not in err


def test_closed_pipe_prints_nothing(spawn):
    reader, writer = os.pipe()
    os.close(reader)
    process = spawn("schema", stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (141, "")


def test_closed_stdout_is_tolerated(environ):
    """As daemons are started."""
    command = ["/bin/sh", "-c", 'exec "$0" -m hemostat schema >&-', sys.executable]
    result = subprocess.run(command, check=False, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "en_US.ISO-8859-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "", "LC_CTYPE": "", "LANG": "de_DE.ISO-8859-15@euro", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_unencodable_characters_are_written_in_ascii(spawn, environ, locale):
    for name, value in locale.items():
        environ.setenv(name, value)
    out, err = spawn("doctor").communicate(timeout=60)
    assert err == ""
    assert out.startswith("+ Python  ")
    assert out.isascii()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_tolerated(environ, closed):
    command = ["/bin/sh", "-c", f'exec "$0" -m hemostat schema {closed}', sys.executable]
    result = subprocess.run(command, check=False, capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")


def test_closed_descriptor_is_not_reused_by_a_file(environ):
    """A socket that became standard error would be sent the log."""
    program = (
        "import os; from hemostat.terminal import prepare_streams; prepare_streams();"
        "raise SystemExit(os.open('/dev/zero', os.O_RDONLY) < 3)"
    )
    command = ["/bin/sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, program]
    assert subprocess.run(command, check=False).returncode == 0


def test_full_disk_is_named_as_the_cause(environ):
    command = ["/bin/sh", "-c", 'exec "$0" -m hemostat schema >/dev/full', sys.executable]
    result = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    told = "hemostat: standard output cannot be written: No space left on device\n"
    assert (result.returncode, result.stderr) == (1, told)
