"""Connects to Redis, and raises its failures as BusErrors."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hemostat.adapters.redis import keys
from hemostat.adapters.redis.failures import find_code, shorten, translate_failure
from hemostat.core.redact.address import mask_url
from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import BusError, BusUnreachableError
from hemostat.text_file import open_regular_file

PREFIX: Final = keys.PREFIX
TIMEOUT_SECONDS: Final = 5.0
"""Seconds for an answer. Blocking reads must ask for less."""
MAX_SOCKET_PATH_BYTES: Final = 100
"""Bytes of a socket's path that every system allows (Linux: 107)."""


HOST_USERS: Final = ("hemostat-monitor-", "hemostat-responder-", "hemostat-all-")
"""Prefixes of the names of users that belong to one host."""

Command = tuple[str | bytes | float, ...]
"""A Redis command: its name and arguments."""

ATOMIC_SCRIPT: Final = """
local answers, at = {}, 1
while at <= #ARGV do
  local last = at + ARGV[at]
  local run = ARGV[at + 1] == 'EXPIRE' and redis.pcall or redis.call
  local answer = run(unpack(ARGV, at + 1, last))
  if type(answer) == 'string' then answer = string.sub(answer, 1, 1048576) end
  answers[#answers + 1] = answer
  at = last + 1
end
return answers
"""
"""Runs commands, each after the number of its words.

Their keys are not declared: Redis 7 would require the right to read and write each. It checks every command
when called. An expiry is tried, as in SWAP_SCRIPT. A value longer than 1 MiB is no row of HemoStat and is
cut: Redis could not send it whole (adapters.redis.parts).
"""


SWAP_SCRIPT: Final = """
local version = redis.call('GET', KEYS[1]) or '0'
if #version > 15 or not string.match(version, '^%d+$') then
  redis.call('SET', KEYS[1], ARGV[1])
  version = ARGV[1]
end
if tonumber(version) ~= tonumber(ARGV[1]) then return 0 end
redis.call('INCR', KEYS[1])
for i = 2, #KEYS do redis.call('HSET', KEYS[i], ARGV[2], ARGV[3]) end
local kept = redis.call('HGETALL', KEYS[#KEYS])
for i = 1, #kept, 2 do
  local fine, row = pcall(cjson.decode, kept[i + 1])
  local time = fine and type(row) == 'table' and type(row.time) == 'number' and row.time
  if time and time < tonumber(ARGV[4]) then redis.call('HDEL', KEYS[#KEYS], kept[i]) end
end
if tonumber(ARGV[5]) > 0 then redis.pcall('EXPIRE', KEYS[#KEYS], ARGV[5]) end
return 1
"""
"""An expiry is tried: an ACL file of an earlier version does not permit it, and the write counts anyway."""


class Tls(NamedTuple):
    """PEM files. An empty name: no file."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


NO_TLS: Final = Tls()


class SocketConnection(redis.UnixDomainSocketConnection):
    """A connection to a unix socket of any path length.

    The kernel accepts 107 bytes of path. A longer path is reached through a descriptor of its directory.
    """

    path: str

    def _connect(self) -> Any:
        connect: Callable[[], Any] = super()._connect
        long = Path(self.path)
        if is_short(long):
            return connect()
        directory = os.open(long.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.path = f"/proc/self/fd/{directory}/{long.name}"
            return connect()
        finally:
            self.path = str(long)
            os.close(directory)


def is_short(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES


class Client:
    """A connection pool with its address.

    `revive` is called if no server answers at the address, `relieve` if Redis is full. They may make the
    caller's next try succeed.
    """

    def __init__(
        self,
        raw: redis.Redis,
        url: str,
        revive: Callable[[], object] | None = None,
        relieve: Callable[[], object] | None = None,
    ) -> None:
        self.raw = raw
        self.url = url
        self.user = _show_user(raw.connection_pool.connection_kwargs)
        self._revive = revive
        self._relieve = relieve
        self._atomic_script = raw.register_script(ATOMIC_SCRIPT)
        self._swap_script = raw.register_script(SWAP_SCRIPT)

    @contextmanager
    def call(self) -> Iterator[redis.Redis]:
        """Lend the connection. Raises BusUnreachableError or BusError for every error of Redis."""
        try:
            yield self.raw
        except redis.RedisError as error:
            code = find_code(error)
            failure = translate_failure(
                error, self.url, self.user, self._find_master() if code == "READONLY" else ""
            )
            is_connection_lost = isinstance(failure, BusUnreachableError) and failure.transient and not code
            if self._revive is not None and is_connection_lost:
                self._revive()
            if self._relieve is not None and code == "OOM":
                self._relieve()
            raise failure from None

    def _find_master(self) -> str:
        """The address of the master that this replica follows. Empty if this user may not ask."""
        try:
            raw: Any = self.raw
            answer = raw.execute_command("ROLE")
            return f"{answer[1].decode()}:{int(answer[2])}" if answer[0] == b"slave" else ""
        except (redis.RedisError, LookupError, TypeError, ValueError, AttributeError):
            return ""

    def atomic(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one round trip, isolated from other clients, and return Redis's answers.

        They are one transaction in the append-only file. If a command fails, those before it stand, as with
        MULTI, and those after it are not run. A command that must not run without the others comes last.
        Raises as `call` does.
        """
        arguments = [argument for command in commands for argument in (len(command), *command)]
        if not arguments:
            return []
        with self.call():
            answers: Any = self._atomic_script(args=arguments)
        return list(answers)

    def transact(self, commands: Sequence[Command]) -> list[Any]:
        """As `atomic`, by MULTI, for users that may run no script. A single command needs no MULTI.

        If Redis refuses a command while queueing, no command runs.
        """
        if not commands:
            return []
        if len(commands) == 1:
            with self.call() as raw:
                single: Any = raw
                return [single.execute_command(*commands[0])]
        with self.call() as raw, raw.pipeline(transaction=True) as pipeline:
            batch: Any = pipeline
            for command in commands:
                batch.execute_command(*command)
            try:
                return list(batch.execute())
            except redis.ResponseError as error:
                # The text of Redis. The text before it repeats the command with its values.
                raise type(error)(str(error).rpartition("caused error: ")[2]) from None

    @property
    def is_of_one_host(self) -> bool:
        """Whether the client's user writes only the keys of one host (adapters.redis.acl)."""
        return self.user.startswith(HOST_USERS)

    def swap(
        self,
        counter: str,
        version: int,
        hashes: Sequence[str],
        field: str,
        value: bytes,
        *,
        since: float,
        ttl: int = 0,
    ) -> bool:
        """Compare and swap: write the value into the hashes if the counter is at `version`. Returns success.

        Of all clients that read this version, one succeeds. The value is JSON with a `time`. Rows of the last
        hash from before `since` (epoch seconds) are removed. The hash expires after `ttl` seconds, unless 0.
        """
        with self.call():
            return bool(self._swap_script(keys=[counter, *hashes], args=[version, field, value, since, ttl]))

    def close(self) -> None:
        self.raw.close()


def _show_user(login: Mapping[str, Any]) -> str:
    """The user's name for messages.

    A name without a password may be a password that lacks the colon before it.
    """
    name = login.get("username") or "default"
    return str(name) if login.get("password") or name == "default" else "named in redis.url"


def connect(
    url: str,
    *,
    username: str = "",
    password: str | None = None,
    tls: Tls = NO_TLS,
    revive: Callable[[], object] | None = None,
    relieve: Callable[[], object] | None = None,
) -> Client:
    """A client of `url`: redis://, rediss:// or unix://. It connects at the first use.

    `username` and `password` apply if the URL has no login. Raises BusError for an unusable address or file.
    """
    login = {"username": username, "password": password}
    options = {name: value for name, value in login.items() if value} | _make_tls_options(url, tls)
    try:
        raw = redis.Redis.from_url(
            use_ipv4_localhost(url),
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # A repeated command may already have run. Only the caller knows whether repeating is safe.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **options,
        )
        if raw.connection_pool.connection_class is redis.UnixDomainSocketConnection:
            raw.connection_pool.connection_class = SocketConnection
        # An unknown option of the URL fails here and not at the first command.
        raw.connection_pool.connection_class(**raw.connection_pool.connection_kwargs)
    except (ValueError, TypeError, LookupError) as error:
        why = "an option after ? is unknown or has an invalid value" if "?" in url else str(error)
        why = "it is not a URL" if "@" in url and "?" not in url else why
        raise BusError(
            f"redis.url {mask_url(url)} cannot be used: {shorten(why)}", hint="see docs/QUICKSTART.md"
        ) from None
    return Client(raw, url, revive, relieve)


def _make_tls_options(url: str, tls: Tls) -> dict[str, str]:
    files = {name: value for name, value in tls._asdict().items() if value}
    if files and not url.startswith("rediss://"):
        raise BusError(
            f"redis.{next(iter(files))} is set, but redis.url {mask_url(url)} is not encrypted",
            hint="use rediss://",
        )
    names = {"ca_file": "ssl_ca_certs", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}
    return {names[name]: _require_readable(f"redis.{name}", value) for name, value in files.items()}


def _require_readable(key: str, name: str) -> str:
    path = Path(name).expanduser()
    try:
        open_regular_file(path).close()
    except OSError as error:
        raise BusError(f"{key}: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BusError(f"{key}: {path} {error}") from None
    return str(path)
