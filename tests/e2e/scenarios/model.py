"""A scenario as data: the containers, what happens to them, and the truth."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from hemostat.core.diagnosis.case import ExpectedDiagnosis
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.llm import validate
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import LABEL, Lab

HOST: Final = "the host"
"""Where an alert is about no container."""

IDLE: Final = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A container to be made. `options` are those of the SDK's `containers.create`; in `network_mode` and
    `volumes_from` other boxes go by their names here."""

    name: str = "app"
    main: str = IDLE
    """Run by `sh -c`."""
    labels: dict[str, str] = {}
    service: str = ""
    """Of compose; empty: not made by compose."""
    number: int = 1
    """Which of the service's replicas it is."""
    depends_on: str = ""
    """Services, comma-separated."""
    health: str | tuple[str, ...] = ""
    """A health check in shell, or a command without one; empty: none."""
    every: float = 0.5
    """Seconds between health checks."""
    timeout: float = 5.0
    retries: int = 1
    start_period: float = 0.0
    healthy: bool = True
    """Whether to wait until the health check passes before anything is done."""
    network: bool = False
    """Whether it is on the scenario's network; else it has none."""
    options: dict[str, Any] = {}

    @property
    def watched(self) -> bool:
        return self.labels.get("hemostat.enable") != "false" and LABEL not in self.labels


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """One incident, by its first alert and the first answer to it."""

    kind: Kind
    on: str = "app"
    action: Action | None = Action.RESTART
    """None: diagnosed as a false alarm."""
    outcome: Outcome | None = None
    """None: what an action that works comes to."""
    root: str = ""
    then: Action | None = None
    """What is done in the end, once what it waits for is well."""
    may: bool = False
    """Whether it need not be told, but may: and nothing need be done about it, whatever is to blame."""
    causes: tuple[Cause, ...] = ()
    """What it is, for what was done; each of them is right. Empty: it cannot be known from what was told."""
    right: tuple[str, ...] = ()
    """Actions that are right, `false_alarm` among them; empty: `action` alone."""

    again: tuple[str, ...] = ()
    """Actions that are right when it has come back; empty: of the relapse no recording is made."""
    roots: tuple[str, ...] = ()
    """Where it begins; empty: at `root`, else at the container itself."""

    @property
    def truth(self) -> ExpectedDiagnosis | None:
        """By which diagnoses are judged."""
        action = validate.FALSE_ALARM if self.action is None else str(self.action)
        return self._truth(self.right or (action,))

    @property
    def truth_again(self) -> ExpectedDiagnosis | None:
        """The same of its first relapse."""
        return self._truth(self.again)

    def _truth(self, actions: tuple[str, ...]) -> ExpectedDiagnosis | None:
        if not self.causes or not actions:
            return None
        roots = self.roots or (self.root or self.on,)
        return ExpectedDiagnosis(
            causes=tuple(map(str, self.causes)),
            actions=tuple(map(str, actions)),
            roots=tuple(validate.HOST_ROOT if root == HOST else root for root in roots),
        )

    @property
    def ends(self) -> Outcome | None:
        if self.action is None or self.outcome:
            return self.outcome
        if self.action is not Action.NONE:
            return Outcome.HEALED
        return Outcome.WAITING if self.root else Outcome.ESCALATED


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine must say of a container in the end; None does not matter.

    `restarts` are new values of StartedAt since it was made.
    """

    running: bool | None = True
    restarts: int | None = 0

    def of(self, restarts: int) -> "Facts":
        """The same after so many restarts."""
        return msgspec.structs.replace(self, restarts=restarts)


STOPPED: Final = Facts(running=False)
RESTARTED: Final = Facts(restarts=1)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`watch` is how long to look on (seconds) after the last thing that must be seen was seen; `within` how
    long that may take."""

    name: str
    about: str
    happens: Callable[[Lab], None]
    kind: str = ""
    """The kind of report from the field that this is an instance of: K1 to K21, as docs/SCENARIOS.md lists
    them; empty for the scenarios of our own."""
    trap: bool = False
    """Whether a naive tool would restart something."""
    boxes: tuple[Box, ...] = (Box(),)
    expected: tuple[Expected, ...] = ()
    facts: dict[str, Facts] = {}
    """Of the boxes that are not simply to run on."""
    watch: float = 1.5
    within: float = 30.0
    acted_on: int | None = None
    """How many containers may be acted on at most, where not each is known beforehand."""
    way: Literal["direct", "proxy", "rules", "second"] = "direct"
    """To the engine: its own socket, one that can be cut, one behind which each request has its own fate
    (`lab.rules`), or the socket of a second engine."""
    forbidden: str = ""
    """A pattern of `METHOD /path`: what the way by rules answers with 403 and a page of HTML."""
    settings: dict[str, str] | None = None
    """Of a HemoStat of its own; None: the one that the suite shares."""
    alone: bool = False
    """Whether nothing else may run at the same time."""

    @property
    def required(self) -> tuple[Expected, ...]:
        return tuple(each for each in self.expected if not each.may)
