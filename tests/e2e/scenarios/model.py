"""A scenario as data: its containers, the fault, and what is expected."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from hemostat.core.diagnosis.case import ExpectedDiagnosis
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.llm import validate
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import LABEL, Lab

HOST: Final = "the host"
"""The subject of an alert that is about the host."""

IDLE: Final = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A container to create. `options` are those of the SDK's `containers.create`; `network_mode` and
    `volumes_from` name other boxes."""

    name: str = "app"
    main: str = IDLE
    """Run by `sh -c`."""
    labels: dict[str, str] = {}
    service: str = ""
    """The compose service; empty: the container is not created by compose."""
    number: int = 1
    """The number of the service's replica."""
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
    """Whether to wait for a passing health check before the fault."""
    network: bool = False
    """Whether the container is connected to the scenario's network; otherwise it has no network."""
    options: dict[str, Any] = {}

    @property
    def watched(self) -> bool:
        return self.labels.get("hemostat.enable") != "false" and LABEL not in self.labels


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """One expected incident, by its first alert and the first response to it."""

    kind: Kind
    on: str = "app"
    action: Action | None = Action.RESTART
    """None: diagnosed as a false alarm."""
    outcome: Outcome | None = None
    """None: the outcome of an action that works."""
    root: str = ""
    then: Action | None = None
    """The last action, once the dependency that the container waits for is healthy."""
    may: bool = False
    """Whether the incident is optional: it may be reported or not, with any root cause and action."""
    causes: tuple[Cause, ...] = ()
    """The causes that are correct for this action. Empty: the cause cannot be known from the evidence."""
    right: tuple[str, ...] = ()
    """The correct actions, which may include `false_alarm`; empty: `action` alone."""

    again: tuple[str, ...] = ()
    """The correct actions after a relapse; empty: no eval case is made of the relapse."""
    roots: tuple[str, ...] = ()
    """The correct root causes; empty: `root`, or the container itself."""

    @property
    def truth(self) -> ExpectedDiagnosis | None:
        """The correct diagnosis, for evaluating advisors."""
        action = validate.FALSE_ALARM if self.action is None else str(self.action)
        return self._truth(self.right or (action,))

    @property
    def truth_again(self) -> ExpectedDiagnosis | None:
        """The correct diagnosis of the first relapse."""
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
    """What the engine must report of a container at the end. None: any value.

    `restarts` are new values of StartedAt since the container was created.
    """

    running: bool | None = True
    restarts: int | None = 0

    def of(self, restarts: int) -> "Facts":
        """Return the same facts after this number of restarts."""
        return msgspec.structs.replace(self, restarts=restarts)


STOPPED: Final = Facts(running=False)
RESTARTED: Final = Facts(restarts=1)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`watch` is how long to continue to observe (seconds) after the last required incident was observed.
    `within` is how long that may take."""

    name: str
    about: str
    happens: Callable[[Lab], None]
    kind: str = ""
    """The kind of report from the field of which this is an instance: K1 to K21, as docs/SCENARIOS.md lists
    them; empty for the suite's own scenarios."""
    trap: bool = False
    """Whether a naive tool would restart something."""
    boxes: tuple[Box, ...] = (Box(),)
    expected: tuple[Expected, ...] = ()
    facts: dict[str, Facts] = {}
    """The expected facts about boxes that do not simply continue to run."""
    watch: float = 1.5
    within: float = 30.0
    acted_on: int | None = None
    """Maximum number of containers with an action, where these are not known beforehand."""
    way: Literal["direct", "proxy", "rules", "second"] = "direct"
    """How HemoStat reaches the engine: `direct` by the engine's socket, `proxy` by a socket that can be cut,
    `rules` by a proxy that treats each request by `lab.rules`, `second` by the socket of a second engine."""
    forbidden: str = ""
    """A pattern of `METHOD /path`: requests that the proxy of `rules` answers with 403 and an HTML page."""
    settings: dict[str, str] | None = None
    """Settings of a HemoStat for this scenario alone; None: the one that the scenarios share."""
    alone: bool = False
    """Whether no other scenario may run at the same time."""
    dry_run: bool = False
    """Whether HemoStat only reports, so that the engine's facts are not what its actions make of them."""

    @property
    def required(self) -> tuple[Expected, ...]:
        return tuple(each for each in self.expected if not each.may)
