"""Finds the process that listens at the engine's socket, if it runs on this host."""

import socket
import struct
from typing import Final

CREDENTIALS_FORMAT: Final = struct.Struct("3i")
"""Process, user and group of the peer at a unix socket, as the kernel reports them."""


def find_process(url: str, timeout: float = 5.0) -> int:
    """The process id. 0 if the engine runs on another host or in another PID namespace."""
    scheme, _, path = url.partition("://")
    if not scheme.endswith("unix"):
        return 0
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(timeout)
            asking.connect(f"/{path.lstrip('/')}")
            answer = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS_FORMAT.size)
    except (OSError, AttributeError):
        return 0
    process: int = CREDENTIALS_FORMAT.unpack(answer)[0]
    return process
