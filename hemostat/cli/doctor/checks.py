"""The checks of `hemostat doctor`. Each examines one property of this machine without changing it.

A check returns a CheckResult or raises HemoStatError. `run_check` turns either into a Check, so a failed
check does not stop the others. Messages contain no secrets.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Final, NamedTuple

import msgspec

from hemostat import app
from hemostat.cli.doctor.engine_checks import (
    check_cgroups,
    check_clock,
    check_engine,
    check_engine_access,
    check_healers,
    check_health_checks,
    check_probes,
    check_processes,
)
from hemostat.cli.doctor.findings import Check, CheckResult, Level
from hemostat.cli.doctor.machine import Machine
from hemostat.cli.doctor.name_checks import judge_names
from hemostat.cli.doctor.redis_access import check_redis_access
from hemostat.cli.doctor.redis_checks import (
    check_redis,
    check_redis_commands,
    check_redis_memory,
    check_redis_rows,
)
from hemostat.cli.doctor.time_limit import run_within_limit
from hemostat.cli.doctor.watch_checks import check_watched_containers
from hemostat.core.settings.environment import describe_unknown
from hemostat.core.units import show_size
from hemostat.errors import (
    ConfigError,
    EngineUnreachableError,
    HemoStatError,
    NothingStoredError,
    RedisNotStartedError,
    StoreUnreachableError,
)
from hemostat.events import DURABLE, Event, Heartbeat
from hemostat.private_files import find_writer
from hemostat.streams import ROLES, STORE_ROLE

OLDEST_PYTHON: Final = (3, 11)
CLOSE_FILE_HINT: Final = "give the file to root or to the user of HemoStat, and chmod go-w"
NOT_STARTED_TEXT: Final = "not checked: HemoStat starts its Redis with the roles"
PROBE_SECONDS: Final = 5.0
"""Seconds for an answer of a model's service."""


class DoctorCheck(NamedTuple):
    name: str
    ask: Callable[[Machine], CheckResult]
    essential: bool = True
    """Whether HemoStat cannot work without the checked property."""
    per_engine: bool = False
    """Whether each engine is checked."""


def run_checks(question: DoctorCheck, machine: Machine) -> list[Check]:
    """Return the result of the check, or its results for each engine. Further checks of an engine that was
    found unreachable have no result, if there is the table `engines`."""
    if not question.per_engine:
        return [run_check(question, machine)]
    return [
        msgspec.structs.replace(run_check(question, part), engine=name)
        for name, part in machine.split_by_engine()
        if not (name and part.engine.has_failed)
    ]


def run_check(question: DoctorCheck, machine: Machine) -> Check:
    machine.used_defaults = False
    check = _ask_check(question, machine)
    if not machine.used_defaults:
        return check
    return msgspec.structs.replace(check, message=f"{check.message} (checked with the default settings)")


def _ask_check(question: DoctorCheck, machine: Machine) -> Check:
    try:
        level, message, hint = _ask(question, machine)
    except RedisNotStartedError:
        return Check(name=question.name, level=Level.SKIPPED, message=NOT_STARTED_TEXT)
    except HemoStatError as error:
        if not question.essential:
            # The obstacle has a check of its own, with its hint.
            return Check(name=question.name, level=Level.WARNING, message=f"unknown: {error.message}")
        level, message, hint = Level.FAILURE, error.message, error.hint
    except Exception as error:  # noqa: BLE001 - the next check must still run
        level, message, hint = Level.FAILURE, f"{type(error).__name__}: {error}", ""
    return Check(name=question.name, level=level, message=message, hint=hint)


def _ask(question: DoctorCheck, machine: Machine) -> CheckResult:
    """An engine that has not answered in time is not asked again."""
    if not question.per_engine:
        return question.ask(machine)

    def give_up(error: EngineUnreachableError) -> None:
        machine.engine.give_up(error)

    return run_within_limit(lambda: question.ask(machine), give_up)


def check_python(_: Machine) -> CheckResult:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return CheckResult(Level.FAILURE, f"{version} is too old", "install Python 3.11 or newer")
    return CheckResult(Level.OK, version)


def check_configuration(machine: Machine) -> CheckResult:
    loaded = machine.loaded()
    for secret in ("redis_password", "api_key", "channels", "heartbeat_url"):
        getattr(loaded.settings, secret)
    source = str(loaded.path) if loaded.path else "no file, defaults are in effect"
    if loaded.path and (risk := find_writer(loaded.path)):
        return CheckResult(
            Level.WARNING, f"{source} {risk}: write access to the file controls HemoStat", CLOSE_FILE_HINT
        )
    if unknown := describe_unknown(loaded.unknown):
        return CheckResult(Level.WARNING, f"{source}; {unknown}", "correct the name, or unset the variable")
    return CheckResult(Level.OK, source)


def check_state_directory(machine: Machine) -> CheckResult:
    path = machine.settings.state_path
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        app.check_state_directory(machine.settings)
        return CheckResult(Level.OK, str(path) if nearest == path else f"{path} can be created")
    return CheckResult(Level.FAILURE, f"{path} is not writable", "set state_dir to a directory that you own")


def check_store(machine: Machine) -> CheckResult:
    records = machine.event_store()
    try:
        status = records.read_status()
        objection = records.find_write_obstacle()
    except NothingStoredError as error:
        return CheckResult(Level.OK, f"{error.message}; the alert role creates it")
    except StoreUnreachableError as error:
        hint = "start it, or correct store.url; the streams retain new events until then"
        return CheckResult(Level.FAILURE, error.message, hint)
    if objection:
        hint = "let the alert role's user write there, or set store.url; the streams retain new events"
        return CheckResult(Level.FAILURE, f"cannot be written: {objection}", hint)
    rows = status.ends.head.number - status.ends.anchor.number
    summary = f"{status.place}, version {status.version}, {rows:,} events, {show_size(status.size)}"
    return CheckResult(Level.OK, summary)


def check_audit_trail(machine: Machine) -> CheckResult:
    """Whether the chain's end matches the one noted in Redis.

    `hemostat audit verify` checks the earlier rows.
    """
    from hemostat.agents.store_writer import observe_trail
    from hemostat.core.history.audit_verdict import find_missing_key, find_replacement

    records, settings = machine.event_store(), machine.settings
    try:
        records.read_ends()
        look = observe_trail(
            records, machine.audit_anchor(), records.get_location(settings.machine_name), settings.audit_keys
        )
    except NothingStoredError as error:
        return CheckResult(Level.OK, error.message)
    head, notes = look.ends.head, look.noted.head
    if why := find_replacement(look):
        hint = "hemostat audit verify shows details; hemostat audit accept, if you know the cause"
        return CheckResult(Level.FAILURE, f"ends at row {head.number}: {why}", hint)
    if why := find_missing_key(look):
        return CheckResult(Level.WARNING, why, "set store.audit_key_file")
    if notes is None:
        hint = "the alert role stores one with its next rows; rows removed before that cannot be detected"
        return CheckResult(Level.WARNING, f"ends at row {head.number}; no anchor in Redis", hint)
    return CheckResult(Level.OK, f"ends at row {head.number}; row {notes.number} is noted in Redis")


def check_backlog(machine: Machine) -> CheckResult:
    from hemostat.app.store import MAX_BACKLOG

    behind = machine.bus().count_lag(STORE_ROLE.make_group_name(""), STORE_ROLE.reads)
    backlog = f"{behind:,} events in the streams"
    if behind > MAX_BACKLOG:
        return CheckResult(
            Level.WARNING, backlog, "hemostat status shows what the alert role waits for, if it runs"
        )
    return CheckResult(Level.OK, backlog)


def check_advisor(machine: Machine) -> CheckResult:
    """Sends one free request to the model's service, or no request if only the rules decide."""
    try:
        model = app.make_advisor(machine.settings, machine.environ)
    except ConfigError as error:
        return CheckResult(Level.FAILURE, f"the analyzer will not start: {error.message}", error.hint)
    if model is None:
        return CheckResult(Level.OK, "none: the rules decide")
    try:
        with closing(model):
            model.probe(PROBE_SECONDS)
    except HemoStatError as error:
        return CheckResult(Level.WARNING, f"the rules decide: {error.message}", error.hint)
    return CheckResult(Level.OK, f"{model.name} answers and accepts the key")


def check_notifications(machine: Machine) -> CheckResult:
    """Checks the settings without sending a notification. `hemostat alert --test` sends one."""
    try:
        names = list(app.open_notifiers(machine.settings))
        doubts = app.find_webhook_doubts(machine.settings)
    except HemoStatError as error:
        return CheckResult(Level.FAILURE, error.message, error.hint)
    if not names:
        return CheckResult(Level.OK, "none: no notifications are sent")
    for name, doubt in doubts.items():
        return CheckResult(Level.WARNING, f"channel {name}: {doubt.message}", doubt.hint)
    return CheckResult(Level.OK, f"by {', '.join(names)}; to test them: hemostat alert --test")


def check_roles(machine: Machine) -> CheckResult:
    try:
        bus = machine.bus()
    except RedisNotStartedError:
        if not app.has_stored_data(machine.settings):
            raise
        return CheckResult(Level.WARNING, "none is running", "start them with: hemostat all")
    beats = bus.read_last_values("heartbeat")
    if not beats and not any(bus.read_recent(name, 1) for name in DURABLE):
        return CheckResult(Level.SKIPPED, "none has run yet", "start them with: hemostat all")
    missing = _find_missing_roles(beats, tuple(machine.settings.engines))
    if missing:
        return CheckResult(
            Level.WARNING, f"not running: {', '.join(missing)}", "start them with: hemostat all"
        )
    wrong = _list_troubles(beats)
    if wrong:
        return CheckResult(Level.WARNING, "all are running; " + "; ".join(wrong))
    return CheckResult(Level.OK, "all are running")


def _list_troubles(beats: Iterable[Event]) -> list[str]:
    """Return what the roles report, each with the role, and with its host if there are several."""
    living = [(each.host, each.data) for each in beats if isinstance(each.data, Heartbeat)]
    has_several_hosts = len({host for host, _ in living}) > 1
    return [
        f"{beat.role}{f' of {host}' if has_several_hosts else ''}: {text}"
        for host, beat in living
        for text in (beat.trouble, *beat.warnings)
        if text
    ]


def _find_missing_roles(beats: Iterable[Event], engines: Sequence[str]) -> list[str]:
    """Return the roles without a heartbeat. `engines`: the hosts that need a monitor and a responder each."""
    alive = {(each.data.role, each.host) for each in beats if isinstance(each.data, Heartbeat)}
    names = {role for role, _ in alive}
    missing = []
    for role in ROLES:
        if role.name not in names:
            missing.append(role.name)
        elif role.per_host:
            missing += [f"{role.name} of {host}" for host in engines if (role.name, host) not in alive]
    return missing


def check_dead_letters(machine: Machine) -> CheckResult:
    """Dead letters are a fault only if the newest is recent."""
    bus, now = machine.bus(), time.time()
    newest, count = bus.read_last_dead_letter(), bus.count_dead_letters()
    if newest is None:
        return CheckResult(Level.OK, "none: all events were handled")
    message = f"{count:,} {'event' if count == 1 else 'events'} could not be handled, {newest.describe(now)}"
    hint = "if an alert is among them, check its container; docs/TROUBLESHOOTING.md explains how to read them"
    return (
        CheckResult(Level.FAILURE, message, hint) if newest.is_recent(now) else CheckResult(Level.OK, message)
    )


def check_names(machine: Machine) -> CheckResult:
    bus, settings = machine.bus(), machine.settings
    stats = bus.read_last_values("container_stats")
    return judge_names(
        bus.read_last_values("heartbeat"), settings.host_name, stats, engines=tuple(settings.engines)
    )


CHECKS: Final = (
    DoctorCheck("Python", check_python),
    DoctorCheck("configuration", check_configuration),
    DoctorCheck("state directory", check_state_directory),
    DoctorCheck("Docker Engine", check_engine, per_engine=True),
    DoctorCheck("engine access", check_engine_access, essential=False, per_engine=True),
    DoctorCheck("cgroups", check_cgroups, essential=False, per_engine=True),
    DoctorCheck("processes", check_processes, essential=False, per_engine=True),
    DoctorCheck("clock", check_clock, essential=False, per_engine=True),
    DoctorCheck("health checks", check_health_checks, essential=False, per_engine=True),
    DoctorCheck("probes", check_probes, essential=False, per_engine=True),
    DoctorCheck("other healers", check_healers, essential=False, per_engine=True),
    DoctorCheck("Redis", check_redis),
    DoctorCheck("Redis access", check_redis_access, essential=False),
    DoctorCheck("Redis memory", check_redis_memory, essential=False),
    DoctorCheck("Redis commands", check_redis_commands, essential=False),
    DoctorCheck("Redis rows", check_redis_rows, essential=False),
    DoctorCheck("store", check_store),
    DoctorCheck("audit trail", check_audit_trail, essential=False),
    DoctorCheck("store backlog", check_backlog, essential=False),
    DoctorCheck("advisor", check_advisor, essential=False),
    DoctorCheck("notifications", check_notifications),
    DoctorCheck("roles", check_roles, essential=False),
    DoctorCheck("watched", check_watched_containers, essential=False, per_engine=True),
    DoctorCheck("dead letters", check_dead_letters, essential=False),
    DoctorCheck("names", check_names, essential=False),
)
