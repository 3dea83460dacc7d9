"""Log lines: one line each, text for people and JSON for machines."""

import json
import logging
import re

import pytest

from hemostat.consumer import CURRENT_INCIDENT
from tests.support.redact_corpus import BODY, PEM

SAID = "probe.said word=%s count=%d"


@pytest.fixture
def log(hemostat, capsys):
    """Log once at each level; the lines on stderr."""
    from hemostat.cli.output.logs import configure_logging

    def write(verbosity: int = 0, name: str = "hemostat.probe", form: str = "text", **extra) -> list[str]:
        configure_logging(verbosity, form=form)
        logger = logging.getLogger(name)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, SAID, "a\x1b[2J\x07\nb", 3, **extra)
        out, err = capsys.readouterr()
        assert out == ""
        return err.splitlines()

    return write


@pytest.fixture
def incident():
    token = CURRENT_INCIDENT.set("1a2b3c")
    yield
    CURRENT_INCIDENT.reset(token)


@pytest.mark.parametrize(("verbosity", "lines"), [(-1, 1), (0, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize("form", ["text", "json"])
def test_verbosity_selects_the_log_level(log, verbosity, lines, form):
    assert len(log(verbosity, form=form)) == lines


def test_libraries_log_from_level_warning(log):
    assert len(log(2, "docker.probe")) == 1


def test_line_has_time_level_and_name(log):
    [line] = log(-1)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}"
    assert re.fullmatch(rf"{time} WARNING hemostat\.probe probe\.said word=a\\x07\\nb count=3", line)


def test_text_log_shows_the_time_of_day():
    from hemostat.cli.output.logs import TextFormatter

    record = logging.LogRecord("hemostat.x", logging.INFO, "", 0, "x.y z=%d", (1,), None)
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO hemostat\.x x\.y z=1", TextFormatter(iso=False).format(record))


def test_traceback_keeps_lines_without_control_characters(log):
    error = ValueError("a\x1b[2J\x07 b")
    lines = log(-1, exc_info=(ValueError, error, None))
    assert lines[1:] == [r"  ValueError: a\x07 b"]


def test_multiline_message_cannot_forge_a_log_line(log):
    error = ValueError("a\n2026-11-29T10:00:00.000+0000 ERROR hemostat.x forged.event\x85b=1\u2028c")
    assert all(line.startswith("  ") for line in log(-1, exc_info=(ValueError, error, None))[1:])


@pytest.mark.parametrize("form", ["text", "json"])
def test_multiline_secret_in_a_traceback_is_masked(log, form):
    error = ValueError(f"cannot use\n{PEM}")
    told = "\n".join(log(-1, form=form, exc_info=(ValueError, error, None)))
    assert "[redacted: private key]" in told
    assert BODY.splitlines()[1] not in told


def test_json_log_has_the_fields(log):
    [line] = log(-1, form="json")
    told = json.loads(line)
    assert told.pop("time")
    assert told == {
        "level": "warning",
        "logger": "hemostat.probe",
        "event": "probe.said",
        "word": r"a\x07" + "\nb",
        "count": 3,
    }


def test_log_is_json_without_a_terminal(log):
    assert all(json.loads(line) for line in log(form="auto"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_a_step_has_its_incident(log, incident, form):
    assert all("1a2b3c" in line for line in log(form=form))


def test_incident_is_not_repeated_in_a_line(log, incident, capsys):
    log()
    logging.getLogger("hemostat.x").info("x.y incident=%s", "other")
    assert capsys.readouterr().err.endswith("x.y incident=other\n")


def test_traceback_is_a_json_field(log):
    [line] = log(-1, form="json", exc_info=(ValueError, ValueError("password=geheim1\x1b"), None))
    told = json.loads(line)["traceback"]
    assert told.startswith("ValueError: ")
    assert "geheim1" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("secret", ["redis://me:geheim1@db:6379", "password=geheim1"])
def test_secrets_are_masked(hemostat, capsys, form, secret):
    from hemostat.cli.output.logs import configure_logging

    configure_logging(0, form=form)
    logging.getLogger("hemostat.x").warning("x.failed error=%s", secret)
    logging.getLogger("library").warning("failed: %s", secret)
    err = capsys.readouterr().err
    assert "geheim1" not in err
    assert err.count("redacted") == 2


def test_long_value_is_cut(hemostat, capsys):
    from hemostat.cli.output.logs import MAX_VALUE_CHARACTERS, configure_logging

    configure_logging(0, form="json")
    logging.getLogger("hemostat.x").warning("x.failed error=%s", "a b " * MAX_VALUE_CHARACTERS)
    assert len(json.loads(capsys.readouterr().err)["error"]) <= MAX_VALUE_CHARACTERS


def test_log_file_is_rotated_and_stderr_is_empty(hemostat, capsys, tmp_path, monkeypatch):
    from hemostat.cli.output import logs

    monkeypatch.setattr(logs, "MAX_FILE_BYTES", 1000)
    file = tmp_path / "hemostat.log"
    logs.configure_logging(0, file=str(file))
    for number in range(100):
        logging.getLogger("hemostat.x").info("x.y number=%d", number)
    logging.getLogger().handlers[0].close()
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 1 + logs.MAX_FILES
    assert all(each.stat().st_size <= 1000 for each in kept)
    assert json.loads(file.read_text().splitlines()[-1])["number"] == 99
    assert capsys.readouterr().err == ""


def test_unwritable_log_file_is_named(hemostat, tmp_path):
    code, _, err = hemostat("events", "--log-file", str(tmp_path / "no" / "x.log"))
    assert code == 2
    assert err == f"hemostat: --log-file {tmp_path}/no/x.log: No such file or directory\n"


def test_every_log_call_has_an_event_and_named_values():
    """Else its line has no fields to search by."""
    import ast
    from pathlib import Path

    import hemostat as package
    from hemostat.cli.output.logs import EVENT_PATTERN, FIELD_PATTERN

    wrong = []
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level), args=[*args]) if (
                    args and level != "setLevel"
                ):
                    text, *values = args[1:] if level == "log" else args
                    name, _, rest = ast.literal_eval(text).partition(" ")
                    if not EVENT_PATTERN.fullmatch(name) or len(FIELD_PATTERN.findall(rest)) != len(values):
                        wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


def test_offered_log_formats_exist():
    from hemostat.cli.options import OPTIONS
    from hemostat.cli.output.logs import FORMATS

    [option] = [each for each in OPTIONS if "--log-format" in each.opts]
    assert tuple(option.type.choices) == FORMATS
