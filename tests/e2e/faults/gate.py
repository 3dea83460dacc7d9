"""A way to a unix socket that can be cut, and frozen: connected, and silent."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

CHUNK = 65536


class Gate:
    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self._target = target
        self._moving = threading.Event()
        self._moving.set()
        self._sockets: list[socket.socket] = []
        self.open()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def open(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(128)
        self._sockets = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, in the middle of whatever it is saying, and nobody listens any more."""
        self.path.unlink()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            each.close()
        self._sockets = []

    def freeze(self) -> None:
        self._moving.clear()

    def thaw(self) -> None:
        self._moving.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect(self._target)
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._moving.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
