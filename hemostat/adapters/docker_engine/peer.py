"""Which process listens at the engine's socket, where that is one of this host."""

import socket
import struct
from typing import Final

CREDENTIALS_FORMAT: Final = struct.Struct("3i")
"""Process, user, group: what the kernel tells of whoever listens at a unix socket."""


def find_process(url: str, timeout: float = 5.0) -> int:
    """0 where it is another host's, or of another namespace of processes."""
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
