"""Redis servers of the tests that admit only some clients: by an ACL file, or by certificates."""

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hemostat.adapters.redis import Client, connect
from hemostat.adapters.redis.acl import format_acl, list_grants
from hemostat.adapters.redis.embedded import find_binary
from tests.support.engine_fixtures import eventually

ADMIN = "admin"
FORMER = Path(__file__).with_name("former_users.acl")
"""As HemoStat printed it before hosts had users of their own."""


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[str]:
    """A server on a socket in the directory; its address."""
    address = directory / "redis.sock"
    command = [find_binary(), "--unixsocket", str(address), "--save", "", "--dir", str(directory), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: address.exists() or server.poll() is not None)
            assert server.poll() is None, "it refuses its configuration"
            yield f"unix://{address}"
        finally:
            server.terminate()


def takes(*options: str) -> bool:
    """Whether the server at hand knows these options: it refuses to start with others."""
    command = [
        find_binary() or "redis-server",
        "--port",
        "0",
        *options,
        "--daemonize",
        "no",
        "--unknown-option",
        "1",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return options[0].removeprefix("--") not in ended.stdout + ended.stderr


class Guarded:
    """A Redis with the users of HemoStat, whose passwords are their names backwards, and an administrator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Client] = {}

    def client(self, user: str) -> Client:
        if user not in self._clients:
            self._clients[user] = connect(self.url, username=user, password=user[::-1])
        return self._clients[user]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@contextmanager
def guarded(version: int, hosts: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Guarded]:
    """`hosts` have users of their own besides; of `version` 0 the file is that of a former HemoStat."""
    hashes = {name: hashlib.sha256(name[::-1].encode()).hexdigest() for name in list_grants(hosts)}
    with tempfile.TemporaryDirectory(prefix="hs-test-") as directory:
        file = Path(directory, "users.acl")
        administrator = f"user {ADMIN} on >{ADMIN[::-1]} ~* &* +@all\n"
        users = format_acl(hashes, version=version, hosts=hosts) if version else FORMER.read_text()
        file.write_text(users + administrator)
        with serving(Path(directory), "--port", "0", "--aclfile", str(file), *options) as url:
            server = Guarded(url)
            yield server
            server.close()
