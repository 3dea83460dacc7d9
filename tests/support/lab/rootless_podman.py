"""A rootless Podman of a test's own, without a user of its own: root gives it a user namespace."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.lab.private_podman import PrivatePodman
from tests.support.lab.waiting import wait_until

FIRST_ID = 0x7000_0000
"""The first of the ids on the host. Those of users and of systemd's containers are below."""
IDS = 65_536
SECONDS = 10.0
OWN_LOCKS = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'
"""Podman's locks are in shared memory, by user, and stay there."""


class RootlessPodman(PrivatePodman):
    """Has a directory, mounts and users of its own, and the host's network, as a user's Podman has. Raises
    RuntimeError if it does not start."""

    def __init__(self) -> None:
        self._namespace = subprocess.Popen(["unshare", "--user", "sleep", "infinity"])
        own = Path(f"/proc/{self._namespace.pid}")
        wait_until(lambda: own.exists() and self._has_namespace(own), "the user namespace exists", SECONDS)
        for name in ("uid_map", "gid_map"):
            (own / name).write_text(f"0 {FIRST_ID} {IDS}")
        enter = ("nsenter", f"--target={self._namespace.pid}", "--user", "--setuid=0", "--setgid=0")
        self.wrapper = (*enter, "unshare", "--mount", "sh", "-c", OWN_LOCKS, "sh")
        super().__init__()

    def _has_namespace(self, process: Path) -> bool:
        with suppress(OSError):
            return os.readlink(process / "ns/user") != os.readlink("/proc/self/ns/user")  # noqa: PTH115
        return False

    def make_environment(self) -> dict[str, str]:
        """The variables by which Podman knows that it has entered its user namespace."""
        for name in ("home", "runtime"):
            (self.path / name).mkdir()
        for each in (self.path, *self.path.iterdir()):
            os.chown(each, FIRST_ID, FIRST_ID)
        ids = {"_CONTAINERS_ROOTLESS_UID": str(FIRST_ID), "_CONTAINERS_ROOTLESS_GID": str(FIRST_ID)}
        places = {"HOME": f"{self.path}/home", "XDG_RUNTIME_DIR": f"{self.path}/runtime"}
        return {"PATH": os.environ["PATH"], "_CONTAINERS_USERNS_CONFIGURED": "done", **ids, **places}

    def close(self) -> None:
        super().close()
        self._namespace.kill()
        self._namespace.wait()
