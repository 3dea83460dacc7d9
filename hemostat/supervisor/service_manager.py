"""Tells the service manager, such as systemd, the state of this process (the protocol sd_notify).

The variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID come from the service manager. Without them,
nothing is sent.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
EXTENSION_SECONDS: Final = 60.0
"""Seconds that one request adds to a start that takes longer than the unit allows."""


class ServiceManager:
    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _read_address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_seconds = _read_watchdog(environ) if self._address else inf
        self._status = ""
        self.watchdog_due = -inf if self._watchdog_seconds < inf else inf
        """When the next sign of life is due (monotonic seconds); infinite where no watchdog waits for one."""

    def send(self, *lines: str) -> None:
        """Send these lines in one datagram. One that cannot be handed over at once is lost: a slow service
        manager must not stop a role."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto("\n".join(lines).encode(errors="replace"), self._address)

    def set_status(self, text: str, *lines: str) -> None:
        """Send one sentence about the state, unless it is the last one sent, and further lines."""
        if text != self._status or lines:
            self._status = text
            self.send(*lines, f"STATUS={text}")

    def extend_start(self) -> None:
        """Request EXTENSION_SECONDS more for the start, from now on."""
        self.send(f"EXTEND_TIMEOUT_USEC={EXTENSION_SECONDS * 1e6:.0f}")

    def send_watchdog(self, now: float) -> None:
        """Send a sign of life if one is due: two in the time that the watchdog allows."""
        if now >= self.watchdog_due:
            self.watchdog_due = now + self._watchdog_seconds / 2
            self.send(WATCHDOG)


def _read_address(text: str) -> str:
    """Return the address of the socket; empty for none, and for kinds other than a Unix socket."""
    return f"\0{text[1:]}" if text.startswith("@") else text if text.startswith("/") else ""


def _read_watchdog(environ: Mapping[str, str]) -> float:
    """Return the seconds after which a silent process counts as hung; infinite for no watchdog."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return inf
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else inf
