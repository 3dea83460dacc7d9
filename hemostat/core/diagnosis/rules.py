"""The diagnosis rules: the cause of an alert and the action to take, from the alert's evidence."""

from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.core.detection.probe import UNSENT_ADVICE
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.labels.definitions import CLEANUP, CPU_ACTION, CPU_MAX, EXEC, MEMORY_MAX
from hemostat.core.remediation.ladder import DEATH_KINDS
from hemostat.core.settings.monitor import is_job
from hemostat.core.units import show_duration, show_size
from hemostat.core.usage import runaway_cpu
from hemostat.events import Action, Diagnosis, HealthAlert, Kind

HIGH_PRESSURE_PERCENT: Final = 20.0
"""Percent of time that processes wait for memory, above which steady memory use is a problem."""

JOB_NOT_RERUN_TEXT: Final = "a job: not restarted, unless it has the label hemostat.job=false"


class Verdict(msgspec.Struct, frozen=True):
    """`action` is None for a false alarm. Action.NONE is a real issue that no action on this container
    resolves."""

    action: Action | None
    diagnosis: Diagnosis
    parameters: dict[str, float | str | bool] = {}


def diagnose(alert: HealthAlert) -> Verdict:
    if alert.root:
        return _diagnose_root_elsewhere(alert)
    if alert.get_fact("waited") is not None and alert.kind not in DEATH_KINDS:
        return _diagnose_dependency_wait(alert)
    return _RULES[alert.kind](alert)


def _make_verdict(action: Action | None, cause: Cause, confidence: float, *reasons: str) -> Verdict:
    return Verdict(action, Diagnosis(cause=cause.value, confidence=confidence, reasons=reasons))


def _diagnose_root_elsewhere(alert: HealthAlert) -> Verdict:
    """The failure comes from another container or from the host, and can be repaired only there."""
    dependency, load = alert.get_fact("dependency"), alert.get_fact("host_cpu")
    if dependency is not None:
        return _make_verdict(
            Action.NONE, Cause.DEPENDENCY_DOWN, 0.9, str(dependency), "it waits for that container"
        )
    if load is not None:
        busy = (
            f"the host's CPU is at {alert.get_number('host_cpu'):.0f} %, and this container is not the cause"
        )
        return _make_verdict(Action.NONE, Cause.HOST_OVERLOADED, 0.85, busy)
    return _make_verdict(
        Action.NONE, Cause.STORM, 0.9, f"{alert.get_number('storm'):.0f} containers failed at once"
    )


def _diagnose_dependency_wait(alert: HealthAlert) -> Verdict:
    """A dependency still fails, and would fail after a restart too."""
    waited = f"it has waited for {show_duration(alert.get_number('waited'))}"
    return _make_verdict(Action.NONE, Cause.DEPENDENCY_DOWN, 0.8, str(alert.get_fact("dependency")), waited)


def _diagnose_exit(alert: HealthAlert) -> Verdict:
    code = int(alert.get_number("exit_code"))
    signal = f", killed by signal {code - 128}" if 128 < code < 160 else ""  # noqa: PLR2004
    facts = (f"exited with code {code}{signal}", _explain_down_state(alert))
    if alert.get_fact("dead_before"):
        return _make_verdict(
            Action.NONE, Cause.CRASH, 0.6, *facts, "an operator may have left it in this state"
        )
    if alert.get_fact("check_action") and not alert.get_fact("given_up"):
        return _make_verdict(
            Action.NONE, Cause.HUNG, 0.9, *facts, "it stays down as configured: it has no restart policy"
        )
    if reason := _find_job_reason(alert):
        return _make_verdict(Action.NONE, Cause.FAILED_JOB, 0.9, *facts, f"{reason}; {JOB_NOT_RERUN_TEXT}")
    return _make_verdict(Action.RESTART, _find_exit_cause(alert), 0.95, *facts)


MISSING_RESOURCE_ERRORS: Final = ("no such", "not exist", "not found", "already allocated", "in use")
"""Parts of the engine's errors for a start that lacks a mount, a network, a device or a port."""


def _find_exit_cause(alert: HealthAlert) -> Cause:
    if alert.get_fact("check_action"):
        return Cause.HUNG
    error = str(alert.get_fact("engine_says") or "").lower()
    failed_start = alert.get_fact("taken_down") or alert.get_fact("given_up")
    lacks = any(phrase in error for phrase in MISSING_RESOURCE_ERRORS)
    return Cause.MISSING_RESOURCE if failed_start and lacks else Cause.CRASH


def _explain_down_state(alert: HealthAlert) -> str:
    """What should have restarted the container, and why it is still down."""
    owner, error = alert.get_fact("managed_by"), alert.get_fact("engine_says")
    because = f": {error}" if error else ""
    if alert.get_fact("dead_before"):
        return f"it was stopped before HemoStat first observed it{because}"
    if alert.get_fact("taken_down"):
        return f"a restart by HemoStat stopped it and could not start it{because}"
    if action := alert.get_fact("check_action"):
        return f"Podman ended it because its health check failed (health-on-failure {action})"
    if alert.get_fact("given_up"):
        return f"Docker has stopped restarting it{because}"
    if owner:
        return f"managed by {owner}, which has not replaced it"
    return f"no stop was requested, and Docker will not restart it{because}"


def _find_job_reason(alert: HealthAlert) -> str:
    """Why the container is a job; empty for a service."""
    return "label hemostat.job" if is_job(alert.container) else str(alert.get_fact("job") or "")


def _diagnose_crash_loop(alert: HealthAlert) -> Verdict:
    if alert.get_number("exit_code") == 0:
        return _diagnose_clean_exit_loop(alert)
    deaths = f"{alert.get_number('deaths'):.0f} deaths within {show_duration(alert.window)}"
    last = f"the last with exit code {alert.get_number('exit_code'):.0f}"
    return _make_verdict(
        Action.NONE, Cause.CRASH_LOOP, 0.95, deaths, last, "another start does not repair it"
    )


def _diagnose_clean_exit_loop(alert: HealthAlert) -> Verdict:
    times = f"{alert.get_number('deaths'):.0f} times in {show_duration(alert.window)}"
    fact = f"it exits with code 0 and is restarted each time: {times}"
    policy = "for a job, remove the restart policy or add the label hemostat.job=true"
    return _make_verdict(Action.NONE, Cause.CRASH_LOOP, 0.9, fact, policy)


def _diagnose_oom(alert: HealthAlert) -> Verdict:
    if alert.get_fact("survived"):
        fact = "the kernel killed one of its processes at the memory limit; its main process continues"
        return _make_verdict(Action.NONE, Cause.OUT_OF_MEMORY, 0.8, fact)
    limit = alert.get_number("memory_limit")
    at = f"killed by the kernel at its limit of {show_size(limit)}" if limit else "killed by the kernel"
    if reason := _find_job_reason(alert):
        return _make_verdict(Action.NONE, Cause.FAILED_JOB, 0.9, at, f"{reason}; {JOB_NOT_RERUN_TEXT}")
    if alert.occurrence > 1 and MEMORY_MAX.name in alert.container.labels:
        return _make_scale_verdict(
            "memory", Cause.OUT_OF_MEMORY, at, "repeatedly, so a restart alone does not repair it"
        )
    return _make_verdict(Action.RESTART, Cause.OUT_OF_MEMORY, 0.95, at)


def _make_scale_verdict(resource: str, cause: Cause, *reasons: str) -> Verdict:
    verdict = _make_verdict(Action.SCALE, cause, 0.85, *reasons)
    return msgspec.structs.replace(verdict, parameters={"resource": resource})


def _diagnose_unhealthy(alert: HealthAlert) -> Verdict:
    check_result = alert.get_fact("health_check")
    output = "" if check_result is None else f": {check_result}"
    if alert.get_fact("cannot_run") and alert.get_fact("never_passed"):
        fact = f"its health check cannot run in this image{output}"
        reason = "it has not passed since the container started, so a restart does not help"
        return _make_verdict(Action.NONE, Cause.CHECK_CANNOT_RUN, 0.95, fact, reason)
    return _make_hung_verdict(alert, f"its health check fails while its process runs{output}")


def _make_hung_verdict(alert: HealthAlert, fact: str) -> Verdict:
    """A hung container is treated with the command in its label, else with a restart."""
    action = Action.EXEC if EXEC.name in alert.container.labels else Action.RESTART
    return _make_verdict(action, Cause.HUNG, 0.9, fact)


def _diagnose_flapping(alert: HealthAlert) -> Verdict:
    changes = f"its health changed {alert.get_number('changes'):.0f} times in {show_duration(alert.window)}"
    return _make_verdict(
        Action.NONE, Cause.FLAPPING, 0.8, changes, "a state that recovers by itself needs no restart"
    )


def _diagnose_hung(alert: HealthAlert) -> Verdict:
    probe = alert.get_fact("probe")
    if alert.get_fact("never_reached"):
        fact = f"its probe does not reach it from here: {probe}"
        reason = "no probe ever has, so the failure says nothing about the container"
        if (advice := UNSENT_ADVICE.get(str(probe))) is not None:
            reason += f"; {advice}"
        return _make_verdict(Action.NONE, Cause.UNREACHABLE, 0.9, fact, reason)
    return _make_hung_verdict(alert, f"its probe fails: {probe}")


def _diagnose_cpu_high(alert: HealthAlert) -> Verdict:
    cpu_fact = f"CPU at {alert.get_number('cpu'):.0f} % for {show_duration(alert.window)}"
    labelled_action = CPU_ACTION.read_from(alert.container.labels)
    if labelled_action is Action.RESTART:
        return _make_verdict(Action.RESTART, Cause.BUSY, 0.85, cpu_fact, f"label {CPU_ACTION.name}: restart")
    verdict = _explain_cpu_by_work(alert, cpu_fact) or _diagnose_cpu_loop(alert, cpu_fact)
    if labelled_action is Action.NONE and verdict.action is Action.RESTART:
        reasons = (*verdict.diagnosis.reasons, f"label {CPU_ACTION.name}: none")
        return Verdict(Action.NONE, msgspec.structs.replace(verdict.diagnosis, reasons=reasons))
    return verdict


def _explain_cpu_by_work(alert: HealthAlert, cpu_fact: str) -> Verdict | None:
    """The work that explains the CPU use. Without a CPU limit, a busy core is no emergency."""
    traffic = runaway_cpu.find_main_traffic(alert)
    if traffic is not None and traffic[1] >= runaway_cpu.WORK_BYTES_PER_SECOND:
        rate = f"{show_size(traffic[1])}/s {traffic[0]}"
        if CPU_MAX.name in alert.container.labels:
            return _make_scale_verdict("cpu", Cause.SATURATED, cpu_fact, rate)
        return _make_verdict(Action.NONE, Cause.SATURATED, 0.8, cpu_fact, rate)
    action = None if alert.get_fact("cpu_limit") is None else Action.NONE
    if files := runaway_cpu.describe_file_work(alert):
        return _make_verdict(action, Cause.BUSY, 0.75, cpu_fact, files)
    if computation := runaway_cpu.explain_computation(alert):
        return _make_verdict(action, Cause.COMPUTATION, 0.75, cpu_fact, computation)
    return None


def _diagnose_cpu_loop(alert: HealthAlert, cpu_fact: str) -> Verdict:
    if doubts := runaway_cpu.list_loop_doubts(alert):
        return _make_verdict(Action.NONE, Cause.BUSY, 0.5, cpu_fact, "not certainly an endless loop", *doubts)
    return _make_verdict(Action.RESTART, Cause.RUNAWAY, 0.85, cpu_fact, runaway_cpu.describe_loop(alert))


def _diagnose_cpu_throttled(alert: HealthAlert) -> Verdict:
    throttling_fact = (
        f"throttled in {alert.get_number('throttled'):.0f} % of the periods for {show_duration(alert.window)}"
    )
    return _make_verdict(
        Action.NONE,
        Cause.CPU_LIMIT,
        0.8,
        throttling_fact,
        f"while it uses {alert.get_number('cpu'):.0f} % of its limit",
    )


def _diagnose_memory_high(alert: HealthAlert) -> Verdict:
    memory_fact = _format_memory_use(alert)
    if alert.get_number("pressure") >= HIGH_PRESSURE_PERCENT:
        pressure_fact = f"its processes wait for memory {alert.get_number('pressure'):.0f} % of the time"
        return _make_verdict(Action.NONE, Cause.MEMORY_LIMIT, 0.7, memory_fact, pressure_fact)
    manner, span = str(alert.get_fact("manner")), show_duration(alert.get_number("seen"))
    if manner == "falls_back":
        return _make_verdict(
            None, Cause.SAW_TOOTH, 0.8, memory_fact, "it shrinks by itself, like a garbage-collected heap"
        )
    if alert.get_fact("growth") is not None:
        if alert.get_fact("slowing_down"):
            return _make_verdict(
                None, Cause.WARMING_UP, 0.7, memory_fact, _format_growth(alert), "but slowing down"
            )
        young = () if manner == "growing" else ("observed too briefly to call it a leak",)
        is_full_soon = alert.get_fact("full_soon") is not None
        action, cause = (Action.NONE, Cause.GROWING) if is_full_soon else (None, Cause.WARMING_UP)
        return _make_verdict(action, cause, 0.6, memory_fact, _format_growth(alert), *young)
    if manner == "steady":
        return _make_verdict(
            None, Cause.STEADY, 0.8, memory_fact, f"not growing in the {span} of observation"
        )
    span_text = f"observed for {span}, " if alert.get_fact("seen") is not None else ""
    return _make_verdict(
        None, Cause.STEADY, 0.4, memory_fact, f"{span_text}too short to tell whether it grows"
    )


def _diagnose_memory_leak(alert: HealthAlert) -> Verdict:
    return _make_verdict(Action.RESTART, Cause.LEAK, 0.85, _format_memory_use(alert), _format_growth(alert))


def _format_memory_use(alert: HealthAlert) -> str:
    owner = alert.get_fact("limit_of")
    of = f", the limit of {owner}" if owner else ""
    return (
        f"memory at {alert.get_number('memory'):.0f} % of {show_size(alert.get_number('memory_limit'))}{of}"
    )


def _format_growth(alert: HealthAlert) -> str:
    span = alert.get_fact("seen")
    span_text = "" if span is None else f" in the {show_duration(alert.get_number('seen'))} of observation"
    full = f"full in {show_duration(alert.get_number('full_in'))}"
    return f"growing by {show_size(alert.get_number('growth'))}/s{span_text}, {full}"


def _diagnose_disk_high(alert: HealthAlert) -> Verdict:
    if alert.get_fact("log_bytes") is not None:
        size = f"its log has {show_size(alert.get_number('log_bytes'))}"
        return _make_verdict(
            Action.NONE, Cause.LOG_NOT_ROTATED, 0.9, size, "run it with --log-opt max-size=10m"
        )
    if alert.container.is_host:
        share = f"the engine's filesystem is {alert.get_number('disk'):.0f} % full"
        return _make_verdict(
            Action.CLEANUP, Cause.DISK_FILLING, 0.9, share, "docker system df shows the usage"
        )
    size, limit = show_size(alert.get_number("disk_bytes")), show_size(alert.get_number("threshold"))
    fact = f"its writable layer has {size}, the threshold is {limit}"
    if CLEANUP.name not in alert.container.labels:
        return _make_verdict(
            Action.NONE,
            Cause.DISK_FILLING,
            0.9,
            fact,
            f"no label {CLEANUP.name} names files that may be deleted",
        )
    return _make_verdict(Action.CLEANUP, Cause.DISK_FILLING, 0.9, fact)


def _make_leak_rule(resource: str, name: str, limit: str) -> Callable[[HealthAlert], Verdict]:
    def rule(alert: HealthAlert) -> Verdict:
        share = f"{alert.get_number(name):.0f} % of its {alert.get_number(limit):.0f} {resource}"
        used = f"it has used {share} for {show_duration(alert.window)}"
        return _make_verdict(Action.RESTART, Cause(f"leak of {resource}"), 0.8, used)

    return rule


def _diagnose_storm(alert: HealthAlert) -> Verdict:
    many = f"{alert.get_number('storm'):.0f} containers failed at once: {alert.get_fact('containers')}"
    project = alert.get_fact("project")
    if project is not None:
        return _make_verdict(Action.NONE, Cause.HOST_FAULT, 0.7, many, f"all in the project {project}")
    return _make_verdict(Action.NONE, Cause.HOST_FAULT, 0.85, many)


_RULES: Final[dict[Kind, Callable[[HealthAlert], Verdict]]] = {
    Kind.EXITED: _diagnose_exit,
    Kind.CRASH_LOOP: _diagnose_crash_loop,
    Kind.OOM: _diagnose_oom,
    Kind.UNHEALTHY: _diagnose_unhealthy,
    Kind.FLAPPING: _diagnose_flapping,
    Kind.HUNG: _diagnose_hung,
    Kind.CPU_HIGH: _diagnose_cpu_high,
    Kind.CPU_THROTTLED: _diagnose_cpu_throttled,
    Kind.MEMORY_HIGH: _diagnose_memory_high,
    Kind.MEMORY_LEAK: _diagnose_memory_leak,
    Kind.DISK_HIGH: _diagnose_disk_high,
    Kind.PIDS_HIGH: _make_leak_rule("processes", "pids", "pids_limit"),
    Kind.FD_HIGH: _make_leak_rule("open files", "open_files", "files_limit"),
    Kind.STORM: _diagnose_storm,
}
