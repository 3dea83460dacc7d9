"""Log lines: to stderr, one line each."""

import logging
import re

import pytest


@pytest.fixture
def log(hemostat, capsys):
    from hemostat.cli.logs import start

    def write(verbosity: int, name: str = "hemostat.probe", **extra) -> list[str]:
        start(verbosity)
        logger = logging.getLogger(name)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, "probe.said word=%s", "a\x1b[2J\nb", **extra)
        out, err = capsys.readouterr()
        assert out == ""
        return err.splitlines()

    return write


@pytest.mark.parametrize(("verbosity", "lines"), [(-1, 1), (0, 2), (1, 3), (2, 3)])
def test_verbosity_decides_what_is_logged(log, verbosity, lines):
    assert len(log(verbosity)) == lines


def test_libraries_are_heard_from_warnings_on(log):
    assert len(log(2, "docker.probe")) == 1


def test_a_line_has_time_level_name_and_no_control_characters(log):
    [line] = log(-1)
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} WARNING hemostat\.probe probe\.said word=(.*)"
    assert re.fullmatch(pattern, line)[1] == r"a\x1b[2J\nb"


def test_people_get_the_time_of_day():
    from hemostat.cli.logs import Formatter

    record = logging.LogRecord("hemostat.x", logging.INFO, "", 0, "x.y z=%d", (1,), None)
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO hemostat\.x x\.y z=1", Formatter(iso=False).format(record))


def test_a_traceback_keeps_its_lines_and_loses_its_control_characters(log):
    error = ValueError("a\x1b[2Jb")
    lines = log(-1, exc_info=(ValueError, error, None))
    assert lines[1:] == [r"ValueError: a\x1b[2Jb"]
