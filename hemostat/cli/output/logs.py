"""Formats log lines and writes them: one line each, without secrets and control characters.

They go to stderr, to systemd's journal, or to a rotated file. On a terminal they are text. Elsewhere each is
a JSON object with `time`, `level`, `logger`, `event`, the event's fields, and `incident` if there is one.
Calls have the form `logger.info("name.of.event key=%s", value)`: the keys become fields.
"""

import json
import logging
import logging.handlers
import os
import re
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from hemostat.cli.output.journal import JournalLines, is_journal
from hemostat.core.text import escape_controls, escape_json
from hemostat.errors import UsageError
from hemostat.private_files import open_file
from hemostat.terminal import is_terminal

FORMATS: Final = ("auto", "text", "json")
LINE_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
FIELD_PATTERN: Final = re.compile(r"(\w+)=%[a-z]")
EVENT_PATTERN: Final = re.compile(r"[a-z_]+(\.[a-z_]+)+")
TEXT_EVENT: Final = "log.message"
HARMLESS_PATTERN: Final = re.compile(r"[\w.-]{1,16}")
"""Text too short to be a recognisable secret. Searching for secrets costs more than all other formatting."""
MAX_VALUE_CHARACTERS: Final = 4000
"""Characters of a value, or of a traceback's end, that are logged."""
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_FILES: Final = 5
"""Rotated files kept besides the current one."""


class TextFormatter(logging.Formatter):
    """Log lines as text. `iso`: full date and zone, for files; else the time of day."""

    def __init__(self, *, iso: bool) -> None:
        super().__init__(LINE_FORMAT)
        self._iso = iso

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        if self._iso:
            return format_iso_time(record.created)
        return time.strftime("%H:%M:%S", time.localtime(record.created))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        event, fields = _split_record(record)
        incident = _get_incident()
        if incident and "incident" not in fields:
            fields["incident"] = incident
        record.message = escape_controls(
            " ".join([event, *(f"{key}={value}" for key, value in fields.items())])
        )
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802
        text = _traceback(super().formatException(ei))  # type: ignore[arg-type]  # the stub's union is private
        # Indented, so that an exception's message of several lines cannot pass for a line of the log.
        return "\n".join(f"  {escape_controls(line)}" for line in text.splitlines())


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event, fields = _split_record(record)
        if not EVENT_PATTERN.fullmatch(event):
            event, fields = TEXT_EVENT, {"text": event}
        head = {
            "time": format_iso_time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        line: dict[str, object] = {**head, "event": event, **fields}
        if (incident := _get_incident()) and "incident" not in line:
            line["incident"] = incident
        if record.exc_info:
            line["traceback"] = _traceback(self.formatException(record.exc_info))
        return escape_json(json.dumps(line, ensure_ascii=False))


def _split_record(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """The event and its fields. For a message of another form, its whole text and no fields."""
    name, _, pairs = str(record.msg).partition(" ")
    values = record.args if isinstance(record.args, tuple) else ()
    keys = FIELD_PATTERN.findall(pairs)
    if EVENT_PATTERN.fullmatch(name) and len(keys) == len(values):
        return name, {key: _clean_value(value) for key, value in zip(keys, values, strict=True)}
    return str(_clean_value(record.getMessage())), {}


def _clean_value(value: object) -> object:
    """A number, or text without secrets, each line without control characters."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if HARMLESS_PATTERN.fullmatch(text):
        return text
    from hemostat.core.redact import redact

    # Cut again afterwards: the first cut may leave half of a secret, which is then not recognised.
    masked = redact(text[: 2 * MAX_VALUE_CHARACTERS])[:MAX_VALUE_CHARACTERS]
    return masked if masked.isprintable() else "\n".join(map(escape_controls, masked.split("\n")))


def _traceback(text: str) -> str:
    """The end of the traceback, masked as a whole: a secret may span several lines."""
    from hemostat.core.redact import redact

    masked = redact(text[-2 * MAX_VALUE_CHARACTERS :])[-MAX_VALUE_CHARACTERS:]
    return "\n".join(map(escape_controls, masked.split("\n")))


def _get_incident() -> str:
    from hemostat.consumer import CURRENT_INCIDENT

    return CURRENT_INCIDENT.get()


def format_iso_time(seconds: float) -> str:
    moment = time.localtime(seconds)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", moment)
        + f".{int(seconds % 1 * 1000):03d}"
        + time.strftime("%z", moment)
    )


def resolve_format(form: str, file: str | None) -> str:
    """`text` or `json`: text on a terminal, else JSON."""
    if form != "auto":
        return form
    return "text" if file is None and is_terminal(sys.stderr) else "json"


def open_log_stream(form: str) -> TextIO | JournalLines:
    """Stderr, or the journal where stderr leads there. `form`: as resolve_format returns it. The journal's
    fields come from JSON."""
    return JournalLines(sys.stderr) if form == "json" and is_journal(sys.stderr) else sys.stderr


def configure_logging(verbosity: int, *, form: str = "auto", file: str | None = None) -> None:
    """Log to `file`, else to stderr. Raises UsageError for a file that cannot be written.

    `verbosity`: -1 warnings, 0 also information, 1 and more HemoStat's own details.
    """
    form = resolve_format(form, file)
    handler = logging.StreamHandler(open_log_stream(form)) if file is None else make_rotating_handler(file)
    text = TextFormatter(iso=file is not None or not is_terminal(sys.stderr))
    handler.setFormatter(text if form == "text" else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    levels = {-1: logging.WARNING, 0: logging.INFO}
    logging.getLogger("hemostat").setLevel(levels.get(verbosity, logging.DEBUG))


class Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """On a full disk lines are lost, without further errors."""


class RotatedLines:
    """A rotated file as a stream for lines."""

    def __init__(self, handler: Rotating) -> None:
        self._handler = handler

    def write(self, text: str) -> int:
        self._handler.emit(logging.makeLogRecord({"msg": text.rstrip("\n")}))
        return len(text)

    def flush(self) -> None:
        """Every line is flushed when written."""

    def isatty(self) -> bool:
        return False


def make_rotating_handler(file: str) -> Rotating:
    """Raises UsageError, and UnsafePathError for a file that another user has created."""
    path = Path(file).expanduser()
    try:
        if not path.is_char_device():  # such as /dev/stderr, a link
            os.close(open_file(path))
        return Rotating(
            path, maxBytes=MAX_FILE_BYTES, backupCount=MAX_FILES, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise UsageError(f"--log-file {path}: {error.strerror}") from None
