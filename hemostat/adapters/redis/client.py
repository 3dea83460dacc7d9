"""How Redis is reached, and what its failures are called here."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hemostat.core.redact.address import mask_url
from hemostat.errors import BusError, BusUnreachableError

PREFIX: Final = "hemostat:"
TIMEOUT: Final = 5.0
"""Seconds for an answer; blocking reads must ask for less."""

PASSING: Final = re.compile(r"\b(?:MISCONF|OOM|LOADING)\b")
REFUSED: Final = ("NOAUTH", "WRONGPASS")
FORBIDDEN: Final = re.compile(r"\bNOPERM\b|\bThe user executing the script can't\b|\bACL failure in script\b")
"""Inside a script the versions of Redis have words of their own for it."""
UNUSABLE: Final = re.compile("PEM lib|NO_CERTIFICATE_OR_CRL_FOUND|NO_START_LINE|KEY_VALUES_MISMATCH")
LONGEST: Final = 200
"""Characters of Redis's own words in an error: a pipeline's bear the whole command."""


Command = tuple[str | bytes | float, ...]
"""Of Redis: its name and arguments."""

ATOMIC: Final = """
local answers, at = {}, 1
while at <= #ARGV do
  local last = at + ARGV[at]
  answers[#answers + 1] = redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return answers
"""
"""Commands, each after the number of its words. Their keys are not declared: Redis 7 would ask for the right
to read and to write each of them. It checks every command as it is called."""


SWAP: Final = """
if tonumber(redis.call('GET', KEYS[1]) or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('INCR', KEYS[1])
for i = 2, #KEYS do redis.call('HSET', KEYS[i], ARGV[2], ARGV[3]) end
local kept = redis.call('HGETALL', KEYS[#KEYS])
for i = 1, #kept, 2 do
  if cjson.decode(kept[i + 1]).time < tonumber(ARGV[4]) then redis.call('HDEL', KEYS[#KEYS], kept[i]) end
end
return 1
"""


class Tls(NamedTuple):
    """Files in PEM; empty: none."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


PLAIN: Final = Tls()


class Client:
    """A connection pool with its address. `revive` is called when nobody answers there: it may start what
    should, so that the caller's next try succeeds."""

    def __init__(self, raw: redis.Redis, url: str, revive: Callable[[], object] | None = None) -> None:
        self.raw = raw
        self.url = url
        self.user = str(raw.connection_pool.connection_kwargs.get("username") or "default")
        self._revive = revive
        self._atomic = raw.register_script(ATOMIC)
        self._swap = raw.register_script(SWAP)

    @contextmanager
    def call(self) -> Iterator[redis.Redis]:
        """Raises BusUnreachableError or BusError for whatever Redis raises inside."""
        try:
            yield self.raw
        except redis.RedisError as error:
            told = translate(error, self.url, self.user)
            if self._revive is not None and isinstance(told, BusUnreachableError) and told.transient:
                self._revive()
            raise told from None

    def atomic(self, commands: Sequence[Command]) -> list[Any]:
        """Their answers, as Redis gives them, in one round trip and at one moment: nobody sees or does
        anything in between, and they are one transaction in the append-only file.

        Where one fails, those before it stand, as they do with MULTI, but those after it are not done: what
        must not happen without the others comes last. Raises as `call` does.
        """
        words = [word for command in commands for word in (len(command), *command)]
        if not words:
            return []
        with self.call():
            answers: Any = self._atomic(args=words)
        return list(answers)

    def swap(
        self, counter: str, version: int, hashes: Sequence[str], field: str, value: bytes, *, since: float
    ) -> bool:
        """Compare and swap: of all that have read the counter at `version` one writes the value, JSON with a
        `time`, into the hashes; from the last of these, what is of before `since` (epoch seconds) goes."""
        with self.call():
            return bool(self._swap(keys=[counter, *hashes], args=[version, field, value, since]))

    def close(self) -> None:
        self.raw.close()


def connect(
    url: str,
    *,
    username: str = "",
    password: str | None = None,
    tls: Tls = PLAIN,
    revive: Callable[[], object] | None = None,
) -> Client:
    """`url`: redis://, rediss:// or unix://; `username` and `password` where the URL has none. Connects on
    first use. Raises BusError for an address or a file that cannot be used."""
    login = {"username": username, "password": password}
    options = {name: value for name, value in login.items() if value} | _tls_options(url, tls)
    try:
        raw = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            # A repeated command may have been carried out: who repeats must know, so nobody does here.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **options,
        )
    except ValueError as error:
        raise BusError(
            f"redis.url {mask_url(url)!r} cannot be used: {error}", hint="see docs/QUICKSTART.md"
        ) from None
    return Client(raw, url, revive)


def _tls_options(url: str, tls: Tls) -> dict[str, str]:
    files = {name: value for name, value in tls._asdict().items() if value}
    if files and not url.startswith("rediss://"):
        raise BusError(
            f"redis.{next(iter(files))} is set, but redis.url {mask_url(url)!r} is not encrypted",
            hint="write rediss://",
        )
    names = {"ca_file": "ssl_ca_certs", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}
    return {names[name]: _readable(f"redis.{name}", value) for name, value in files.items()}


def _readable(key: str, name: str) -> str:
    path = Path(name).expanduser()
    try:
        path.open("rb").close()
    except OSError as error:
        raise BusError(f"{key}: {path} cannot be read: {error.strerror}") from None
    return str(path)


def translate(error: redis.RedisError, url: str, user: str = "default") -> BusError:
    where = mask_url(url)
    text = " ".join(str(error).split())
    if told := _untrusted(text, where):
        return told
    if isinstance(error, redis.exceptions.NoPermissionError) or FORBIDDEN.search(text):
        return BusError(
            f"Redis at {where} does not allow this to user {user} ({_short(text)})",
            hint="hemostat redis-acl prints what each role's user must be allowed; set redis.username to it",
        )
    refused = isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    if refused or text.startswith(REFUSED):
        return BusUnreachableError(
            f"Redis at {where} refuses the password of user {user}",
            hint="set redis.url, or redis.username and redis.password_file",
            transient=False,
        )
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | redis.exceptions.ReadOnlyError):
        reason = text.partition(" connecting to ")[0] or "no answer"
        return BusUnreachableError(
            f"Redis at {where} cannot be reached ({reason})", hint="is it running? See redis.url"
        )
    # MISCONF is a full disk, OOM a full memory: people mend both without restarting us. The client takes
    # these words off some of its errors, and puts others before them.
    passing = isinstance(error, redis.exceptions.OutOfMemoryError | redis.exceptions.BusyLoadingError)
    return BusError(f"Redis at {where}: {text}", transient=passing or bool(PASSING.search(text)))


def _untrusted(text: str, where: str) -> BusError | None:
    """What a failed TLS handshake means; None for another error. The words are OpenSSL's."""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("certificate verify failed:")[2].partition("(_ssl")[0].strip(" .")
        message = f"Redis at {where} shows a certificate that is not trusted ({why})"
        hint = "set redis.ca_file to the certificate of its authority, and the name in redis.url to its own"
    elif "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        message = f"Redis at {where} asks for a certificate"
        hint = "set redis.cert_file and redis.key_file"
    elif UNUSABLE.search(text):
        message = f"the certificate, key or authority for Redis at {where} cannot be used"
        hint = "redis.ca_file, redis.cert_file and redis.key_file are PEM, and the key is the certificate's"
    else:
        return None
    return BusUnreachableError(message, hint=hint, transient=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
