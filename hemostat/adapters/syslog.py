"""Writes lines to the system log through its socket.

The standard library's syslog blocks if the log is slow. This one does not: a line that cannot be written at
once is lost.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

SOCKET_PATH: Final = Path("/dev/log")
AUTHPRIV_NOTICE: Final = 10 * 8 + 5


def write_line(text: str, path: Path = SOCKET_PATH) -> bool:
    """Whether the line was handed over."""
    line = f"<{AUTHPRIV_NOTICE}>hemostat[{os.getpid()}]: {text}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.setblocking(False)
        log.connect(str(path))
        log.send(line.encode(errors="replace"))
        return True
    return False
