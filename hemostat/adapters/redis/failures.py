"""Translates Redis's errors into BusErrors: each by its cause, in one line without a password.

Most pass without a change to HemoStat: roles wait for the end of each and report which it is. The client
removes the code from some texts and puts text before others. So a code is searched for in the whole text, and
derived from the class of the exception.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import redis
from redis import exceptions

from hemostat.core.redact.address import mask_url
from hemostat.errors import BusError, BusUnreachableError

FORBIDDEN_PATTERN: Final = re.compile(
    r"\bNOPERM\b|\bThe user executing the script can't\b|\bACL failure in script\b"
)
"""In scripts, versions of Redis word the refusal differently."""
UNUSABLE_PATTERN: Final = re.compile("PEM lib|NO_CERTIFICATE_OR_CRL_FOUND|NO_START_LINE|KEY_VALUES_MISMATCH")
CONNECTING_PATTERN: Final = re.compile(r"connecting to .+\. (?P<reason>[A-Z].+?)\.?$")
MAX_QUOTED_CHARACTERS: Final = 200
"""Characters of Redis's own text in an error: a pipeline's text repeats the whole command."""


class RedisFailure(NamedTuple):
    message: str
    hint: str
    kind: type[BusError] = BusError
    transient: bool = True


CLUSTER_FAILURE: Final = RedisFailure(
    "is part of a Redis Cluster, which is not supported",
    "set redis.url to a Redis without cluster mode",
    transient=False,
)
EXHAUSTED_TEXT: Final = "exhausted the last possible ID"
FAILURES_BY_CODE: Final[Mapping[str, RedisFailure]] = {
    "READONLY": RedisFailure(
        "is a read-only replica{of}",
        "set redis.url to the primary; HemoStat continues if this replica becomes the primary",
        BusUnreachableError,
    ),
    "LOADING": RedisFailure("is still loading its data", "wait, or check its log"),
    "WRONGTYPE": RedisFailure(
        "holds a key that is not of HemoStat's type",
        "hemostat repair lists it; hemostat repair --clear removes it",
    ),
    EXHAUSTED_TEXT: RedisFailure(
        "has a stream that accepts no more entries: an entry has the last possible id",
        "change the passwords of users with write access; then run hemostat repair --clear",
    ),
    "MISCONF": RedisFailure(
        "cannot save to its disk, and refuses writes", "check its log and the free space on its disk"
    ),
    "OOM": RedisFailure("has reached maxmemory, and refuses writes", "raise maxmemory, or remove other data"),
    "BUSY": RedisFailure("is busy with a script", "wait, or stop the script: redis-cli SCRIPT KILL"),
    "NOREPLICAS": RedisFailure("has too few replicas, and refuses writes", "check min-replicas-to-write"),
    "MASTERDOWN": RedisFailure(
        "is a replica without a connection to its primary", "set redis.url to the primary"
    ),
    "CLUSTERDOWN": RedisFailure(
        "is part of a Redis Cluster that is down", "set redis.url to a Redis without cluster mode"
    ),
    "TRYAGAIN": RedisFailure("is part of a Redis Cluster that is being reconfigured", CLUSTER_FAILURE.hint),
    "MOVED": CLUSTER_FAILURE,
    "ASK": CLUSTER_FAILURE,
    "CROSSSLOT": CLUSTER_FAILURE,
    "max number of clients": RedisFailure(
        "accepts no more connections (maxclients)",
        "raise maxclients, or close other connections",
        BusUnreachableError,
    ),
    "DENIED": RedisFailure(
        "accepts no connections from other hosts (protected mode)",
        "set a password, or bind Redis to an address",
        BusUnreachableError,
        transient=False,
    ),
}
CODE_PATTERN: Final = re.compile("|".join(rf"\b{code}\b" for code in FAILURES_BY_CODE))
CODES_BY_CLASS: Final[Mapping[type[Exception], str]] = {
    exceptions.ReadOnlyError: "READONLY",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.ClusterCrossSlotError: "CROSSSLOT",
}
NEEDLESS_PATTERN: Final = re.compile("without any password configured|no password is set")


def find_code(error: redis.RedisError) -> str:
    """The key of FAILURES_BY_CODE. Empty for another failure."""
    class_code = next((code for kind, code in CODES_BY_CLASS.items() if type(error) is kind), "")
    match = CODE_PATTERN.search(str(error))
    return class_code or (match[0] if match else "")


def translate_failure(error: redis.RedisError, url: str, user: str = "default", master: str = "") -> BusError:
    """The BusError. `master`: the address that a replica follows, if known."""
    where = f"Redis at {mask_url(url)}"
    text = " ".join(str(error).split())
    if known_error := _translate_tls(text, where) or _translate_login(error, text, where, user):
        return known_error
    if code := find_code(error):
        cause = FAILURES_BY_CODE[code]
        message = cause.message.format(of=f" of {master}" if master else "")
        return cause.kind(f"{where} {message}", hint=cause.hint, transient=cause.transient, curable=True)
    if isinstance(error, exceptions.InvalidResponse):
        return BusUnreachableError(
            f"the server at {mask_url(url)} is not Redis",
            hint="check redis.url",
            transient=False,
            curable=True,
        )
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        tls = url.startswith("rediss:") and isinstance(error, redis.TimeoutError)
        hint = (
            "check that it uses TLS; if not, use redis://"
            if tls
            else "check that it is running, and redis.url"
        )
        return BusUnreachableError(f"{where} cannot be reached ({_find_reason(text)})", hint=hint)
    return BusError(f"{where}: {shorten(text)}")


def _translate_login(error: redis.RedisError, text: str, where: str, user: str) -> BusError | None:
    """The error of a failed login, else None. An operator can fix it while a role waits."""
    if isinstance(error, exceptions.NoPermissionError) or FORBIDDEN_PATTERN.search(text):
        return BusError(
            f"{where} does not allow this to user {user} ({shorten(text)})",
            hint="hemostat redis-acl prints each role's permissions; set redis.username to its user",
            curable=True,
        )
    if not isinstance(
        error, redis.AuthenticationError | exceptions.AuthorizationError
    ) and not text.startswith(("NOAUTH", "WRONGPASS")):
        return None
    if NEEDLESS_PATTERN.search(text):
        message, hint = (
            "requires no password, but one is configured",
            "remove it from redis.url or redis.password",
        )
    elif "Authentication required" in text:
        message, hint = "requires a password", "set redis.password_file, or redis.password"
    else:
        message = f"rejects the password of user {user}"
        hint = (
            "set redis.url, or redis.username and redis.password_file; "
            "in the URL a % of the password is written %25"
        )
    return BusUnreachableError(f"{where} {message}", hint=hint, transient=False, curable=True)


def _translate_tls(text: str, where: str) -> BusError | None:
    """The error of a failed TLS handshake, else None. The searched texts are OpenSSL's."""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("certificate verify failed:")[2].partition("(_ssl")[0].strip(" .")
        message = f"{where} has a certificate that is not trusted ({why})"
        hint = "set redis.ca_file to its authority's certificate, and use its host name in redis.url"
    elif "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        message = f"{where} requires a client certificate"
        hint = "set redis.cert_file and redis.key_file"
    elif UNUSABLE_PATTERN.search(text):
        message = f"the certificate, key or authority for {where} cannot be used"
        hint = "use PEM files for redis.ca_file, redis.cert_file and redis.key_file, with matching key"
    else:
        return None
    return BusUnreachableError(message, hint=hint, transient=False)


def _find_reason(text: str) -> str:
    """The system's text, which the client puts after a number and the address."""
    if match := CONNECTING_PATTERN.search(text):
        return match["reason"]
    return text.partition(" connecting to ")[0].rstrip(".") or "no answer"


def shorten(text: str) -> str:
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"
