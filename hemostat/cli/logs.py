"""Where log lines go and how they look: stderr, one line each, no secrets, no control characters."""

import logging
import sys
import time
from typing import Final

from hemostat.core.text import clean

LINE: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Formatter(logging.Formatter):
    """`iso`: full date and zone, for files; else the time of day, for people."""

    def __init__(self, *, iso: bool) -> None:
        super().__init__(LINE)
        self._iso = iso

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        moment = time.localtime(record.created)
        if not self._iso:
            return time.strftime("%H:%M:%S", moment)
        fraction = f".{int(record.msecs):03d}"
        return time.strftime("%Y-%m-%dT%H:%M:%S", moment) + fraction + time.strftime("%z", moment)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return _harmless(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        lines = super().formatException(ei).splitlines()  # type: ignore[arg-type]  # the stub's union is private
        return "\n".join(_harmless(line) for line in lines)


def _harmless(line: str) -> str:
    """Without secrets, and without what a terminal would act on."""
    from hemostat.core.redact import redact

    return clean(redact(line))


def start(verbosity: int) -> None:
    """Log to stderr. `verbosity`: -1 warnings, 0 also what happens, 1 and more HemoStat's own details."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(iso=not sys.stderr.isatty()))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    levels = {-1: logging.WARNING, 0: logging.INFO}
    logging.getLogger("hemostat").setLevel(levels.get(verbosity, logging.DEBUG))
