"""Runs a command in a container, with a time limit."""

import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Final

import docker
from requests import Response
from urllib3.exceptions import HTTPError

from hemostat.adapters.docker_engine.connection import find_base_url, raise_for_status
from hemostat.adapters.docker_engine.event_stream import OpenSockets
from hemostat.errors import EngineError

MAX_OUTPUT_BYTES: Final = 64 * 1024
"""Bytes of output that are returned. The rest is read and dropped."""
GRACE_SECONDS: Final = 5.0
"""Extra seconds for the answer to begin, so that the timer ends the call and not the HTTP timeout."""
FRAME_HEADER: Final = struct.Struct(">BxxxL")
"""The header before each piece of output: the stream, and the number of bytes."""


def run_exec(client: docker.APIClient, run: str, timeout: float, wires: OpenSockets) -> tuple[int, str]:
    """Start the exec `run` and read its output to the end. Returns the exit code and the output.

    Raises EngineError after `timeout` seconds: the engine cannot end the command. A cut of `wires` counts as
    a lost connection.
    """
    timed_sockets = OpenSockets()
    timer = threading.Timer(timeout, timed_sockets.cut)
    url, body = f"{find_base_url(client)}/exec/{run}/start", {"Detach": False, "Tty": False}
    timer.start()
    try:
        with closing(client.post(url, json=body, stream=True, timeout=timeout + GRACE_SECONDS)) as response:
            raise_for_status(response)
            with timed_sockets.hold(response), wires.hold(response):
                output = b"".join(_limit_output(_read_pieces(response)))
    finally:
        timer.cancel()
    if timed_sockets.closed.is_set():
        raise EngineError(f"exec: not done within {timeout:g} s")
    code = client.exec_inspect(run)["ExitCode"]
    if code is None:
        raise EngineError("exec: the connection was lost while it ran", transient=True)
    return code, output.decode(errors="replace")


def _read_pieces(response: Response) -> Iterator[bytes]:
    with suppress(HTTPError):  # a broken connection ends the output as a closed one does
        while len(header := response.raw.read(FRAME_HEADER.size)) == FRAME_HEADER.size:
            left = FRAME_HEADER.unpack(header)[1]
            while piece := response.raw.read(min(left, MAX_OUTPUT_BYTES)):
                yield piece
                left -= len(piece)


def _limit_output(pieces: Iterator[bytes]) -> Iterator[bytes]:
    bytes_left = MAX_OUTPUT_BYTES
    for piece in pieces:
        yield piece[:bytes_left]
        bytes_left = max(0, bytes_left - len(piece))
