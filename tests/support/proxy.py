"""A proxy of a unix socket, the engine's by default, that can be cut and frozen."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOCKET = "/var/run/docker.sock"


class Proxy:
    """Listens at `path` and forwards to `target`."""

    def __init__(self, path: Path, target: str = SOCKET) -> None:
        self.path = path
        self._target = target
        self._is_moving = threading.Event()
        self._is_moving.set()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.open()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def open(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(128)
        self._sockets.append(listener)
        self._run(self._accept, listener)

    def cut(self) -> None:
        """Ends each connection, also in the middle of an answer, and listens no longer."""
        self.path.unlink()
        is_frozen = not self._is_moving.is_set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._is_moving.set()
        for thread in self._threads:
            thread.join(timeout=20)
        for each in self._sockets:
            each.close()
        self._sockets.clear()
        self._threads.clear()
        if is_frozen:
            self.freeze()

    def freeze(self) -> None:
        """Keeps connections open and forwards nothing."""
        self._is_moving.clear()

    def thaw(self) -> None:
        self._is_moving.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect(self._target)
                self._run(self._pump, near, far)
                self._run(self._pump, far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._is_moving.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
