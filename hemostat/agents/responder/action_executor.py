"""Carries out actions on a container or on the host.

Other modules decide whether an action may run, and verify it. Every action can be resumed after an
interruption. A restart that was carried out is not repeated. A limit that was already raised stays. What is
already deleted cannot be deleted twice. A command in a container, which leaves no trace, is not run again.
"""

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.agents.responder.network_restart import NetworkRestart
from hemostat.core.detection.restart_owner import find_orchestrator
from hemostat.core.labels.definitions import CLEANUP, EXEC
from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, PrunableItem, Service
from hemostat.core.redact import redact
from hemostat.core.remediation import cleanup, scaling
from hemostat.core.remediation.cleanup import Cleanup
from hemostat.core.remediation.scaling import Ceilings
from hemostat.core.remediation.stop_timeout import compute_stop_seconds
from hemostat.core.remediation.verify import DEAD_STATES, DOWN_STATES
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.core.text import escape_controls
from hemostat.core.units import show_size
from hemostat.errors import EngineError, NoSuchContainerError, NotApplicableError
from hemostat.events import Action, Container, Kind, RemediationNeeded
from hemostat.ports import Clock, Engine

MAX_OUTPUT_CHARACTERS: Final = 200
"""Maximum number of characters of a command's output in a detail."""
NOT_REPEATED: Final = "it may have run before an interruption, and is not repeated"

logger = logging.getLogger(__name__)


class ActionResult(msgspec.Struct, frozen=True):
    """The result of an action, in words. `freed` is the bytes freed by a cleanup."""

    detail: str = ""
    freed: int | None = None


class ActionPlan(msgspec.Struct, frozen=True):
    """What an action would do, in words. `scaled` is the raised limit that the ledger stores before the
    action."""

    detail: str
    scaled: RaisedLimit | None = None


class ActionExecutor:
    """Carries out actions. `labels`: a cleanup of the host considers only what has these. `paused`: whether
    an operator has paused a container. `forbids`: why a container must not be scaled, the second argument
    being whether by order; empty where it may be."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        limits: ResponderSettings,
        *,
        labels: Mapping[str, str] = {},
        paused: Callable[[str], bool] = lambda _: False,
        forbids: Callable[[Container, bool], str] = lambda *_: "",
        trust: TrustSettings = TRUST_OWN,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._ceilings = Ceilings(memory=limits.scale_memory_max, cpus=limits.scale_cpu_max)
        self._cleanup = Cleanup(
            stopped_older_than=limits.cleanup_stopped_older_than,
            images=limits.cleanup_images,
            build_cache=limits.cleanup_build_cache,
            volumes=limits.cleanup_volumes,
        )
        self._limits = limits
        self._labels = labels
        self._paused = paused
        self._forbids = forbids
        self._trust = trust
        self._network_restart = NetworkRestart(
            engine, clock, trust, spared=self._find_spare_reason, grace=self._find_stop_seconds
        )

    def plan(self, request: RemediationNeeded, current: ContainerInfo | None) -> ActionPlan:
        """Return what `perform` would do, without doing it. Raises NotApplicableError, also where the engine
        refuses to say what there is to act on, and EngineError where the failure is transient."""
        try:
            return self._make_plan(request, current)
        except EngineError as error:
            if error.transient:
                raise
            raise NotApplicableError(error.message, hint=error.hint) from None

    def _make_plan(self, request: RemediationNeeded, current: ContainerInfo | None) -> ActionPlan:
        if request.action is Action.CLEANUP and request.alert.container.is_host:
            return ActionPlan(cleanup.describe_items((each, each.size) for each in self._list_litter()))
        info = _require_found(current)
        match request.action:
            case Action.START if info.is_running:
                raise NotApplicableError("it is already running")
            case Action.STOP if info.status in DOWN_STATES:
                raise NotApplicableError(f"it is already {info.status}")
            case Action.RESTART | Action.START | Action.STOP:
                return ActionPlan(str(request.action))
            case Action.SCALE:
                scaled = self._compute_raised_limit(request, info)
                return ActionPlan(scaling.describe_raise(scaled), scaled)
            case Action.CLEANUP:
                return ActionPlan("empty " + " ".join(_cleanup_command(info)[4:]))
            case Action.EXEC:
                return ActionPlan("run " + escape_controls(shlex.join(_exec_command(info))))
            case _:
                raise NotApplicableError(f"{request.action} is not an action")

    def perform(
        self,
        request: RemediationNeeded,
        current: ContainerInfo | None,
        *,
        since: float | None = None,
        scaled: RaisedLimit | None = None,
        again: bool = False,
    ) -> ActionResult:
        """Carry out an action; `again`: finish an interrupted one. `since` is the container's start time
        before the action, and `scaled` the planned limit, both as stored in the ledger.

        Raises NotApplicableError where the action does not apply and nothing was done, and EngineError.
        """
        if not again:
            logger.info("action.started action=%s container=%s", request.action, request.alert.container.name)
        if request.action is Action.CLEANUP and request.alert.container.is_host:
            return self._clean_host()
        info = _require_found(current)
        match request.action:
            case Action.RESTART | Action.START:
                return self._restart_or_start(
                    request.action, info, info.started_at if since is None else since
                )
            case Action.STOP:
                return self._stop(info, info.started_at if since is None else since)
            case Action.SCALE:
                return self._scale(request, info, info.started_at if since is None else since, scaled)
            case Action.CLEANUP:
                return self._clean_container(info)
            case Action.EXEC:
                return ActionResult(NOT_REPEATED) if again else self._exec(info)
            case _:
                raise NotApplicableError(f"{request.action} is not an action")

    def find_stop_seconds(self, action: Action, current: ContainerInfo | None) -> float:
        """Return the maximum seconds that the container takes to stop in this action; 0 where it is down."""
        if current is None or not current.is_running or action not in {Action.RESTART, Action.STOP}:
            return 0.0
        return self._find_stop_seconds(current)

    def _find_stop_seconds(self, info: ContainerInfo) -> float:
        return compute_stop_seconds(info.ref, info, self._limits.stop_timeout_max)

    # --- restart, start, stop -----------------------------------------------------------------------

    def _restart_or_start(self, action: Action, info: ContainerInfo, since: float) -> ActionResult:
        """Restart or start the process of `since`, unless another process runs by now; then restart the
        containers that lost their network by that."""
        if info.started_at == since and info.is_running and action is Action.RESTART:
            self._engine.restart(info.ref.id, self._find_stop_seconds(info))
        elif info.started_at == since:
            self._engine.start(info.ref.id)
        return ActionResult(self._network_restart.run(info.ref.id))

    def _stop(self, info: ContainerInfo, since: float) -> ActionResult:
        """Stop the process of `since`, unless the container was started again."""
        if info.started_at == since and info.status not in DOWN_STATES:
            self._engine.stop(info.ref.id, self._find_stop_seconds(info))
        return ActionResult()

    def _find_spare_reason(self, container: Container) -> str:
        """Return why a container must not be acted on; empty if it may be."""
        if cleanup.is_protected(container, self._limits.protect):
            return "protected"
        if owner := self._find_foreign_owner(container):
            return f"managed by {owner}"
        return "paused" if self._paused(container.name) else ""

    def _find_foreign_owner(self, container: Container) -> str:
        """Return the orchestrator that alone may start the container; empty if HemoStat may."""
        owner = None if self._limits.orchestrated else find_orchestrator(container)
        return "" if owner is None else owner.name

    # --- scale --------------------------------------------------------------------------------------

    def _compute_raised_limit(self, request: RemediationNeeded, info: ContainerInfo) -> RaisedLimit:
        self._require_own_start(request, info)
        resource, now = scaling.parse_resource(request.parameters), self._clock.now()
        service = scaling.get_service_id(info.ref, self._trust)
        if service is not None and scaling.should_add_replicas(info.ref, resource, self._trust):
            group = self._engine.read_service(service)
            self._require_replica(info, group, ordered=request.alert.kind is Kind.ORDERED)
            return scaling.plan_more_replicas(info, group, now)
        host = self._engine.version()
        return scaling.plan_raised_limit(
            info, resource, self._ceilings, Ceilings(memory=host.memory, cpus=host.cpus), now
        )

    def _require_own_start(self, request: RemediationNeeded, info: ContainerInfo) -> None:
        """Raise NotApplicableError where the container would be started afterwards, which only its
        orchestrator may do."""
        if _needs_start(request, info) and (owner := self._find_foreign_owner(info.ref)):
            raise NotApplicableError(f"it is {info.status}, and only {owner} starts it")

    def _require_replica(self, info: ContainerInfo, group: Service, *, ordered: bool) -> None:
        """Raise NotApplicableError unless the container is one of the service's replicas, and all replicas
        may be acted on: a new replica is a copy of one, with its secrets and volumes."""
        if not self._trust.believes_all and info.ref.id not in group.members:
            raise NotApplicableError(
                f"{info.ref.name} is not a replica of {group.name}, although its labels name it"
            )
        for member in self._engine.inspect_all(group.members).values():
            if isinstance(member, ContainerInfo) and (why := self._forbids(member.ref, ordered)):
                raise NotApplicableError(f"{member.ref.name} cannot be copied: {why}")

    def _scale(
        self, request: RemediationNeeded, info: ContainerInfo, since: float, scaled: RaisedLimit | None
    ) -> ActionResult:
        """Raise a limit. A container that exited for lack of resources is started afterwards; no other
        container that is down is."""
        raised = self._raise_limit(scaled or self._compute_raised_limit(request, info))
        if _needs_start(request, info):
            self._restart_or_start(Action.START, info, since)
        return raised

    def _raise_limit(self, scaled: RaisedLimit) -> ActionResult:
        current = self.read_current(scaled)
        if scaling.is_still_raised(scaled, current):
            return ActionResult(scaling.describe_raise(scaled))
        if not scaling.is_still_raised(scaled.inverse, current):
            raise NotApplicableError(f"its {scaled.resource} limit was changed by another program")
        self._apply_limit(scaled)
        return ActionResult(scaling.describe_raise(scaled))

    def read_current(self, scaled: RaisedLimit) -> float | None:
        """Return the current limit or number of replicas; None where the container was removed or has no
        limit."""
        if scaled.service:
            return self._engine.read_service(scaled.service).replicas
        try:
            return scaling.get_limit(self._engine.inspect(scaled.container), scaled.resource)
        except NoSuchContainerError:
            return None

    def scale_back(self, scaled: RaisedLimit) -> ActionResult:
        """Restore the old limit. Raises NotApplicableError where the current limit is no longer the raised
        one."""
        if not scaling.is_still_raised(scaled, self.read_current(scaled)):
            raise NotApplicableError(f"its {scaled.resource} limit was changed by another program")
        labels = self._engine.read_service(scaled.service).labels if scaled.service else {}
        back = msgspec.structs.replace(scaled.inverse, after=scaling.compute_restored_limit(scaled, labels))
        self._apply_limit(back)
        return ActionResult(scaling.describe_raise(back))

    def _apply_limit(self, scaled: RaisedLimit) -> None:
        match scaled.resource:
            case Resource.CPU:
                self._engine.update(scaled.container, cpus=scaled.after)
            case Resource.MEMORY:
                self._engine.update(scaled.container, memory=int(scaled.after))
            case Resource.REPLICAS:
                self._engine.set_replicas(scaled.service, int(scaled.after))

    # --- cleanup, exec ------------------------------------------------------------------------------

    def _clean_container(self, info: ContainerInfo) -> ActionResult:
        command, before = _cleanup_command(info), self._engine.writable_size(info.ref.id)
        self._run_command(info, command, "cleanup")
        freed = max(0, before - self._engine.writable_size(info.ref.id))
        return ActionResult(f"{show_size(freed)} freed", freed)

    def _list_litter(self) -> tuple[PrunableItem, ...]:
        leftovers = self._engine.list_reclaimable(self._labels)
        items = cleanup.select_items_to_delete(
            leftovers, self._cleanup, self._limits.protect, self._clock.now()
        )
        if not items:
            raise NotApplicableError("no item on the host may be deleted")
        return items

    def _clean_host(self) -> ActionResult:
        items = [(item, self._engine.discard(item)) for item in self._list_litter()]
        freed = sum(size for _, size in items)
        return ActionResult(f"{cleanup.describe_items(items)}: {show_size(freed)} freed", freed)

    def _exec(self, info: ContainerInfo) -> ActionResult:
        output = self._run_command(info, _exec_command(info), "command")
        return ActionResult(f"exit code 0: {output}" if output else "exit code 0")

    def _run_command(self, info: ContainerInfo, command: Sequence[str], label: str) -> str:
        """Return the beginning of the command's output. Raises EngineError for an exit code that is not 0."""
        if not info.is_running:
            raise NotApplicableError(f"it is {info.status}: {label} cannot run in it")
        code, output = self._engine.exec(info.ref.id, command, self._limits.exec_timeout)
        # Truncated after redaction, so that no cut exposes half a secret.
        text = escape_controls(redact(output.strip()[: 4 * MAX_OUTPUT_CHARACTERS]))[:MAX_OUTPUT_CHARACTERS]
        if code:
            raise EngineError(f"{label} failed with exit code {code}: {text}".removesuffix(": "))
        return text


def _needs_start(request: RemediationNeeded, info: ContainerInfo) -> bool:
    """Whether the container exited for lack of resources."""
    return request.alert.kind in {Kind.EXITED, Kind.OOM} and info.status in DEAD_STATES


def _require_found(current: ContainerInfo | None) -> ContainerInfo:
    if current is None:
        raise NotApplicableError("the container does not exist")
    return current


def _cleanup_command(info: ContainerInfo) -> list[str]:
    command = cleanup.build_cleanup_command(info.ref.labels)
    if command is None:
        raise NotApplicableError(f"the label {CLEANUP.name} names no path that may be deleted")
    return command


def _exec_command(info: ContainerInfo) -> list[str]:
    """Return the words of the container's label, split as a shell would. No shell is involved."""
    arguments = EXEC.read_from(info.ref.labels)
    if arguments is None:
        raise NotApplicableError(f"no label {EXEC.name} with a valid command exists")
    return list(arguments)
