"""Reads the command lines of a container's processes.

A process may have megabytes of arguments, and dockerd holds all that `ps` prints. So `ps` is asked to cut its
lines, where the one on the engine's host can.
"""

from typing import Any, Final
from urllib.parse import urlencode

from docker.errors import APIError

from hemostat.adapters.docker_engine.answers import MAX_TOP_BYTES, decode_answer
from hemostat.adapters.docker_engine.connection import Get
from hemostat.core import bounds

MAX_PROCESSES: Final = 1000
LINE_CHARACTERS: Final = 2000
PS_ARGUMENTS: Final = f"-eo pid,args --cols {LINE_CHARACTERS}"
SERVER_ERROR: Final = 500


def read_processes(get: Get, container: str) -> list[str]:
    """The command lines, at most MAX_PROCESSES."""
    path = f"/containers/{container}/top"
    try:
        raw = get(path, urlencode({"ps_args": PS_ARGUMENTS}), MAX_TOP_BYTES)
    except APIError as error:
        if error.status_code != SERVER_ERROR:
            raise
        raw = b""
    if not raw:  # Podman 4 reports a failed ps by an empty answer.
        raw = get(path, "", MAX_TOP_BYTES)
    rows = decode_answer(raw, dict[str, Any]).get("Processes") or ()
    return [bounds.limit_text(row[-1], LINE_CHARACTERS) for row in rows[:MAX_PROCESSES]]
