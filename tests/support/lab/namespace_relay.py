"""A port of this machine whose connections go to a port in another network namespace."""

import ctypes
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000


class NamespaceRelay:
    """`process`: one in the other namespace. The bytes pass unchanged."""

    def __init__(self, process: int, port: int) -> None:
        self._process, self._target = process, ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        """The namespace is that of this thread alone."""
        with suppress(OSError):
            with Path(f"/proc/{self._process}/ns/net").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            with near, socket.create_connection(self._target) as far:
                other = threading.Thread(target=_pump, args=(near, far), daemon=True)
                other.start()
                _pump(far, near)
                other.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
