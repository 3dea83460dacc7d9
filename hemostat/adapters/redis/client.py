"""How Redis is reached, and what its failures are called here."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hemostat.errors import BusError, BusUnreachableError

PREFIX: Final = "hemostat:"
TIMEOUT: Final = 5.0
"""Seconds for an answer; blocking reads must ask for less."""

MASK: Final = "********"
PASSING: Final = re.compile(r"\b(?:MISCONF|OOM|LOADING)\b")
REFUSED: Final = ("NOAUTH", "WRONGPASS", "NOPERM")


class Client:
    """A connection pool with its address. `revive` is called when nobody answers there: it may start what
    should, so that the caller's next try succeeds."""

    def __init__(self, raw: redis.Redis, url: str, revive: Callable[[], object] | None = None) -> None:
        self.raw = raw
        self.url = url
        self._revive = revive

    @contextmanager
    def call(self) -> Iterator[redis.Redis]:
        """Raises BusUnreachableError or BusError for whatever Redis raises inside."""
        try:
            yield self.raw
        except redis.RedisError as error:
            told = translate(error, self.url)
            if self._revive is not None and isinstance(told, BusUnreachableError) and told.transient:
                self._revive()
            raise told from None

    def close(self) -> None:
        self.raw.close()


def connect(url: str, *, password: str | None = None, revive: Callable[[], object] | None = None) -> Client:
    """`url`: redis://, rediss:// or unix://; `password` where the URL has none. Connects on first use."""
    options = {"password": password} if password else {}
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
            f"redis.url {masked(url)!r} cannot be used: {error}", hint="see docs/QUICKSTART.md"
        ) from None
    return Client(raw, url, revive)


def translate(error: redis.RedisError, url: str) -> BusError:
    where = masked(url)
    text = " ".join(str(error).split())
    refused = isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    if refused or text.startswith(REFUSED):
        return BusUnreachableError(
            f"Redis at {where} refuses the password",
            hint="set redis.url or redis.password_file",
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


def masked(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    if ":" in user:
        url = url.replace(user + at, f"{user.partition(':')[0]}:{MASK}@", 1)
    return re.sub(r"(?<=password=)[^&]+", MASK, url)
