"""The standard streams: what each is connected to, what it can show, and whether its reader is gone.

Each stream is checked for its own use. Keys and answers come from standard input, results go to standard
output, messages and questions to standard error; any of them may be a file, a pipe, or closed.
"""

import codecs
import os
import select
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, Final, Protocol, TextIO

from hemostat.core.glyphs import ASCII_ENCODING, ASCII_FALLBACK

COLOUR_SWITCHES: Final = ("NO_COLOR", "HEMOSTAT_NO_COLOR")
PLAIN_TERMINALS: Final = frozenset({"", "dumb", "unknown"})
"""Values of TERM for terminals that cannot move their cursor or show colours."""
LOCALE_VARIABLES: Final = ("LC_ALL", "LC_CTYPE", "LANG")
"""The variables that name the character set; the first one set applies."""


class Stream(Protocol):
    def isatty(self) -> bool: ...


def is_terminal(stream: Stream | None) -> bool:
    """Return whether the stream is connected to a terminal; False for no stream and for a closed one."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def can_ask() -> bool:
    """Return whether a person can be asked: the question goes to standard error, the answer to standard
    input."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def is_colour_off(environ: Mapping[str, str]) -> bool:
    """Return whether the user has switched colours off. A variable that is set and empty does not count."""
    return any(map(environ.get, COLOUR_SWITCHES))


def can_redraw(stream: Stream | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the stream is connected to a terminal that can move its cursor and show styles."""
    return is_terminal(stream) and environ.get("TERM", "") not in PLAIN_TERMINALS


def can_colour(stream: Stream | None, environ: Mapping[str, str] = os.environ) -> bool:
    return can_redraw(stream, environ) and not is_colour_off(environ)


def find_width(stream: IO[str]) -> int | None:
    """Return the columns of the terminal that the stream is connected to; COLUMNS overrides it, None is
    unknown."""
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns):
        return int(columns)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or None
    return None


def find_height(stream: IO[str]) -> int | None:
    """Return the lines of the terminal that the stream is connected to; LINES overrides it, None is
    unknown."""
    if (lines := os.environ.get("LINES", "")).isdecimal() and int(lines):
        return int(lines)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).lines or None
    return None


def prepare_streams(environ: Mapping[str, str] = os.environ) -> None:
    """Make all three streams usable: a closed one becomes /dev/null, and a character that the encoding of an
    output lacks is written in ASCII."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        _open_descriptor(number)
        if getattr(sys, name) is None:
            stream = open(number, mode, closefd=False, encoding="utf-8")  # noqa: SIM115 - stays open
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    declared = find_declared_encoding(environ)
    for stream in (sys.stdout, sys.stderr):
        _make_lenient(stream, declared)


def find_declared_encoding(environ: Mapping[str, str]) -> str | None:
    """Return the character set that the locale names, None for none. Python uses UTF-8 where that locale is
    not installed."""
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8"):
        return None
    locale = next(filter(None, map(environ.get, LOCALE_VARIABLES)), "")
    codeset = locale.partition(".")[2].partition("@")[0]
    try:
        return codecs.lookup(codeset).name if codeset else None
    except LookupError:
        return None


def is_reader_gone(stream: IO[str]) -> bool:
    """Return whether the reader of the stream is gone: the pipe's other end, or the terminal, is closed."""
    try:
        poll = select.poll()
        poll.register(stream, 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    except (OSError, ValueError):
        return False


def discard_output(stream: TextIO) -> None:
    """Send buffered output to /dev/null, so that Python does not fail when it flushes at exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def flush(stream: TextIO) -> None:
    """Flush the stream. Output that cannot be written, to a full disk or a closed terminal, is discarded:
    otherwise Python tries again at exit, fails, and replaces the exit code by 120."""
    try:
        stream.flush()
    except (OSError, ValueError):
        discard_output(stream)


def _open_descriptor(number: int) -> None:
    """Open /dev/null in place of a closed descriptor, which would otherwise be given to the next socket and
    written to."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def _make_lenient(stream: Any, declared: str | None) -> None:
    if not hasattr(stream, "reconfigure"):
        return
    stream.reconfigure(errors=ASCII_FALLBACK)
    encoding = declared or codecs.lookup(stream.encoding).name
    with suppress(LookupError, ValueError):
        stream.reconfigure(
            encoding=ASCII_ENCODING if encoding == "ascii" else encoding, errors=ASCII_FALLBACK
        )
