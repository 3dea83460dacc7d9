"""Where log lines go and how they look: one line each, no secrets, no control characters.

To stderr, or to a file that is rotated. On a terminal they are text; elsewhere each is a JSON object: `time`,
`level`, `logger`, `event`, what the event has to say, and `incident` where there is one. Calls are of the
form `logger.info("name.of.event key=%s", value)`: the keys become fields.
"""

import json
import logging
import logging.handlers
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hemostat.core.text import clean
from hemostat.errors import UsageError

FORMATS: Final = ("auto", "text", "json")
LINE: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
FIELD: Final = re.compile(r"(\w+)=%[a-z]")
EVENT: Final = re.compile(r"[a-z_]+(\.[a-z_]+)+")
HARMLESS: Final = 16
"""Characters of a plain word that is too short to be a secret known by its shape."""
LONGEST: Final = 4000
"""Characters of a value, or of a traceback's end, that are logged: a line stays one line."""
FILE_SIZE: Final = 10 * 1024 * 1024
FILES: Final = 5
"""That are kept besides the one that is written to."""


class TextFormatter(logging.Formatter):
    """`iso`: full date and zone, for files; else the time of day, for people."""

    def __init__(self, *, iso: bool) -> None:
        super().__init__(LINE)
        self._iso = iso

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return (
            iso_time(record.created)
            if self._iso
            else time.strftime("%H:%M:%S", time.localtime(record.created))
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = super().formatMessage(record)
        incident = _incident()
        return _harmless(line if not incident or "incident=" in line else f"{line} incident={incident}")

    def formatException(self, ei: object) -> str:  # noqa: N802
        lines = super().formatException(ei).splitlines()  # type: ignore[arg-type]  # the stub's union is private
        return "\n".join(_harmless(line) for line in lines)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        head = {"time": iso_time(record.created), "level": record.levelname.lower(), "logger": record.name}
        told: dict[str, object] = {**head, **dict(_said(record))}
        if (incident := _incident()) and "incident" not in told:
            told["incident"] = incident
        if record.exc_info:
            told["traceback"] = _harmless_text(self.formatException(record.exc_info)[-LONGEST:])
        return json.dumps(told, ensure_ascii=False)


def _said(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """The event and its fields; of other libraries the message."""
    template = str(record.msg)
    name, _, rest = template.partition(" ")
    if not EVENT.fullmatch(name):
        yield "event", "log.said"
        yield "text", _value(record.getMessage())
        return
    yield "event", name
    values = record.args if isinstance(record.args, tuple) else ()
    keys = FIELD.findall(rest)
    if len(keys) != len(values):
        yield "text", _value(record.getMessage())
        return
    for key, value in zip(keys, values, strict=True):
        yield key, _value(value)


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)[:LONGEST]
    return text if len(text) <= HARMLESS and text.isalnum() else _harmless_text(text)


def _harmless_text(text: str) -> str:
    """Without secrets; what a terminal would act on is for JSON to write out, line ends stay."""
    from hemostat.core.redact import redact

    return "\n".join(map(clean, redact(text).split("\n")))


def _harmless(line: str) -> str:
    from hemostat.core.redact import redact

    return clean(redact(line))


def _incident() -> str:
    from hemostat.runner import INCIDENT

    return INCIDENT.get()


def iso_time(seconds: float) -> str:
    moment = time.localtime(seconds)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", moment)
        + f".{int(seconds % 1 * 1000):03d}"
        + time.strftime("%z", moment)
    )


def resolve(form: str, file: str | None) -> str:
    """`text` or `json`: for people what is read on a terminal, for machines the rest."""
    if form != "auto":
        return form
    return "text" if file is None and sys.stderr.isatty() else "json"


def start(verbosity: int, *, form: str = "auto", file: str | None = None) -> None:
    """Log to `file`, else to stderr. `verbosity`: -1 warnings, 0 also what happens, 1 and more HemoStat's own
    details. Raises UsageError for a file that cannot be written."""
    handler = logging.StreamHandler(sys.stderr) if file is None else rotating(file)
    text = TextFormatter(iso=file is not None or not sys.stderr.isatty())
    handler.setFormatter(text if resolve(form, file) == "text" else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    levels = {-1: logging.WARNING, 0: logging.INFO}
    logging.getLogger("hemostat").setLevel(levels.get(verbosity, logging.DEBUG))


class Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """On a full disk lines are lost, and nothing else."""


class Lines:
    """A rotated file as something that lines are written to."""

    def __init__(self, handler: Rotating) -> None:
        self._handler = handler

    def write(self, text: str) -> int:
        self._handler.emit(logging.makeLogRecord({"msg": text.rstrip("\n")}))
        return len(text)

    def flush(self) -> None:
        """Every line is."""

    def isatty(self) -> bool:
        return False


def rotating(file: str) -> Rotating:
    """Raises UsageError."""
    path = Path(file).expanduser()
    try:
        return Rotating(path, maxBytes=FILE_SIZE, backupCount=FILES, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"--log-file {path}: {error.strerror}") from None
