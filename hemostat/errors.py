"""Every error that HemoStat raises on purpose: what went wrong, where, and what to do about it.

    HemoStatError            exit 1
    ├── ConfigError          exit 2   a file, environment variable or flag that cannot be used
    │   └── UnsafePathError           a file or directory that another user owns, or can write to
    ├── UsageError           exit 2   a name that does not exist, a command that makes no sense
    ├── TimedOutError        exit 4
    ├── DecodeError          exit 1   bytes that cannot be decoded as an event
    ├── AdviceError          exit 1   advice that cannot be used, or must not be requested now
    │   ├── LeftAloneError            the service has failed recently
    │   └── OverBudgetError           the hour's requests or dollars are spent
    ├── NotApplicableError   exit 1   an action that does not apply to this container; nothing was done
    └── AdapterError         exit 1   a vendor's failure; `transient` says whether waiting helps
        ├── EngineError               the Docker Engine refused or failed
        │   ├── EngineUnreachableError    exit 3, transient; affects every container of the host
        │   ├── EngineTimeoutError        transient; this one call timed out, others may succeed
        │   ├── EngineForbiddenError      a socket proxy or an authorization plugin forbids the call: nothing
        │   │                             was done, and the host and the container may be healthy
        │   └── NoSuchContainerError      the host may be healthy
        ├── BusError                  Redis refused or failed
        │   └── BusUnreachableError       exit 3, transient
        ├── StoreError                the database refused or failed
        │   ├── StoreUnreachableError     exit 3, transient
        │   └── NothingStoredError        no role has ever written there
        ├── NotifyError               a notification was not sent
        └── AdvisorError              a model's service refused or failed
            ├── AdvisorDeclinedError      the service answered, billed, without content
            └── AdvisorUnreachableError   exit 3, transient

Adapters translate vendors' exceptions into these; `core` neither raises nor catches AdapterError.
"""

from typing import Final

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
TIMED_OUT: Final = 4
BUG: Final = 70
INTERRUPTED: Final = 130


class HemoStatError(Exception):
    """One line for the user: what went wrong and where; `hint` says what to do about it."""

    exit_code: int = FAILURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class ConfigError(HemoStatError):
    exit_code = USAGE


class UnsafePathError(ConfigError):
    pass


class UsageError(HemoStatError):
    exit_code = USAGE


class TimedOutError(HemoStatError):
    exit_code = TIMED_OUT


class DecodeError(HemoStatError):
    pass


class AdviceError(HemoStatError):
    pass


class LeftAloneError(AdviceError):
    pass


class OverBudgetError(AdviceError):
    pass


class NotApplicableError(HemoStatError):
    pass


class AdapterError(HemoStatError):
    """A vendor's failure. `transient`: the same call may succeed later without any change. `curable`: a
    person can remove the cause while a role runs, which then continues; a command ends."""

    transient: bool = False
    curable: bool = False

    def __init__(
        self, message: str, *, hint: str = "", transient: bool | None = None, curable: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.curable = curable
        if transient is not None:
            self.transient = transient


class EngineError(AdapterError):
    pass


class EngineUnreachableError(EngineError):
    exit_code = UNREACHABLE
    transient = True


class EngineSilentError(EngineUnreachableError):
    """The engine has accepted the connection and does not answer in time: it hangs, or its host is slow."""


class EngineTimeoutError(EngineError):
    """A call timed out. The engine may answer about other containers at the same time: a container that hangs
    is no failure of the host."""

    transient = True


class EngineForbiddenError(EngineError):
    """A socket proxy or an authorization plugin in front of the engine forbids the call. Nothing was done,
    and no retry succeeds until a person allows the call, as `hint` says. `endpoint`: method and path."""

    def __init__(self, message: str, *, hint: str = "", endpoint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.endpoint = endpoint


class NoSuchContainerError(EngineError):
    pass


class BusError(AdapterError):
    pass


class BusUnreachableError(BusError):
    exit_code = UNREACHABLE
    transient = True


class RedisNotStartedError(BusUnreachableError):
    """The embedded Redis is not running: HemoStat starts it with the roles."""


class StoreError(AdapterError):
    pass


class StoreUnreachableError(StoreError):
    exit_code = UNREACHABLE
    transient = True


class NothingStoredError(StoreError):
    pass


class NotifyError(AdapterError):
    """`wait`: seconds for which the service asks for no requests; None where it does not say."""

    def __init__(
        self, message: str, *, hint: str = "", transient: bool | None = None, wait: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, transient=transient)
        self.wait = wait


class AdvisorError(AdapterError):
    """`wait`: seconds for which the service asks for no requests; None where it does not say. `answered`: the
    service answered, and may bill it, but the answer cannot be used."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        transient: bool | None = None,
        wait: float | None = None,
        answered: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, transient=transient)
        self.wait = wait
        self.answered = answered


class AdvisorDeclinedError(AdvisorError):
    """The model declined one incident's evidence, which is no outage: text in that evidence, which a third
    party may have written, must not stop the model for other incidents."""


class AdvisorUnreachableError(AdvisorError):
    exit_code = UNREACHABLE
    transient = True
