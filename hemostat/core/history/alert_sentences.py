"""Alerts as sentences for people: what is wrong with a container, measured by what, or that it is over."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hemostat.core.units import format_fact, format_value, show_duration, show_size_share
from hemostat.core.usage.findings import DETAILS
from hemostat.core.wording import KIND_TEXTS, RECOVERY_TEXTS
from hemostat.events import HealthAlert, Kind, Phase

SIGKILL_CODE: Final = "137"

FACT_TEXTS: Final[Mapping[str, str]] = {
    "dead_before": "it was down before HemoStat first saw it",
    "check_action": "Podman ended it because its health check failed (health-on-failure {})",
    "given_up": "Docker has given up restarting it",
    "taken_down": "a restart by HemoStat stopped it and could not start it",
    "cannot_run": "the check cannot run in it",
    "never_passed": "the check has not passed since the container started",
    "never_reached": "no probe has ever reached it",
    "after_oom_kill": "{} after the kernel killed a process for memory",
    "engine_says": "Docker says: {}",
    "managed_by": "managed by {}",
    "dependency": "{}",
    "host_cpu": "the host's CPU is at {}",
    "storm": "one of {} containers that failed at once",
    "waited": "it has waited for {}",
    "alerts_left_out": "{} earlier alerts were left out",
    "limit_of": "the limit is that of {}",
    "pressure": "its processes wait for memory {} of the time",
    "calm": "calm before for {}",
}
"""Facts that no headline states, by their name in the evidence."""
OMITTED_FACTS: Final = DETAILS | {"cache", "seen"}
END_TEXTS: Final[Mapping[str, str]] = {
    "removed": "was removed, so the incident is over",
    "stopped": "was stopped, so the incident is over",
    "replaced": "was replaced by its orchestrator, so the incident is over",
    "renamed": "was renamed, so the incident is over",
    "superseded": "fails in another way, as another incident",
}
"""Ends of an incident other than recovery, by the name of the fact in the alert that ends it."""


def format_alert(alert: HealthAlert) -> str:
    """What is wrong, or that it is over."""
    facts = _Facts(alert)
    if alert.phase is Phase.CLEARED:
        ends = (text for name, text in END_TEXTS.items() if facts.take(name))
        return next(ends, RECOVERY_TEXTS[alert.kind])
    lead, rest = _HEADLINES[alert.kind](facts)
    others = [*facts.list_others(), *([f"affects {_list_dependents(alert)}"] if alert.downstream else [])]
    return "; ".join(filter(None, (f"{lead}{_count_times(alert)}{rest}", ", ".join(others))))


def _count_times(alert: HealthAlert) -> str:
    again = " again" if alert.relapsed else ""
    return f"{again} ({_show_ordinal(alert.occurrence)} time)" if alert.occurrence > 1 else again


def _show_ordinal(number: int) -> str:
    """`2nd`, `3rd`, `11th`."""
    teens = 10 <= number % 100 < 20  # noqa: PLR2004
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _list_dependents(alert: HealthAlert) -> str:
    """`web, worker and 7 more`."""
    more = alert.downstream_count - len(alert.downstream)
    return ", ".join(alert.downstream) + (f" and {more} more" if more > 0 else "")


class _Facts:
    """The evidence of an alert. What a headline states is taken out of it."""

    def __init__(self, alert: HealthAlert) -> None:
        self.window = alert.window
        self._left = {item.name: item for item in alert.evidence}

    def take(self, name: str, pattern: str = "{}") -> str:
        """The value within `pattern`; empty if the alert does not have the fact."""
        item = self._left.pop(name, None)
        return "" if item is None else pattern.replace("{}", format_value(item))

    def take_share(self, part: str, whole: str) -> str:
        """` (27.5 of 48.0 MiB)`."""
        numbers = [self._left.pop(name).value for name in (part, whole) if name in self._left]
        sizes = [float(number) for number in numbers if not isinstance(number, str)]
        return f" ({show_size_share(*sizes)})" if len(sizes) == len((part, whole)) else ""

    def lasted(self, preposition: str = "for") -> str:
        return f" {preposition} {show_duration(self.window)}" if self.window else ""

    def list_others(self) -> Iterator[str]:
        for name, item in self._left.items():
            if name not in OMITTED_FACTS:
                yield (
                    FACT_TEXTS[name].replace("{}", format_value(item))
                    if name in FACT_TEXTS
                    else format_fact(item)
                )


Headline = tuple[str, str]
"""What is wrong, and what follows it."""


def _format_exit(facts: _Facts) -> Headline:
    return f"exited{facts.take('exit_code', ' with code {}')}{facts.take('ran', ' after {}')}", ""


def _format_oom(facts: _Facts) -> Headline:
    if facts.take("survived"):
        return "out of memory", ": the kernel killed one of its processes, its main process goes on"
    code = facts.take("exit_code")
    limit, ran = facts.take("memory_limit", " at its limit of {}"), facts.take("ran", " after {}")
    return f"out of memory: killed{limit}{ran}", f", exit code {code}" if code not in {
        "",
        SIGKILL_CODE,
    } else ""


def _format_crash_loop(facts: _Facts) -> Headline:
    deaths = facts.take("deaths", ": exited {} times") + facts.lasted("within")
    return f"crash loop{deaths}", facts.take("exit_code", ", the last time with code {}") + facts.take(
        "ran", " after {}"
    )


def _format_unhealthy(facts: _Facts) -> Headline:
    lead = f"health check has failed{facts.lasted()}" if facts.window else "health check fails"
    return lead, facts.take("health_check", ": {}")


def _format_flapping(facts: _Facts) -> Headline:
    return f"health changed{facts.take('changes', ' {} times')}{facts.lasted('within')}", ""


def _format_hung(facts: _Facts) -> Headline:
    return (f"probe has failed{facts.lasted()}" if facts.window else "probe fails"), facts.take(
        "probe", ": {}"
    )


def _format_cpu(facts: _Facts) -> Headline:
    return f"CPU at {facts.take('cpu') or 'its threshold'}{facts.lasted()}", facts.take(
        "threshold", ", threshold {}"
    )


def _format_throttling(facts: _Facts) -> Headline:
    return (
        f"CPU throttled{facts.take('throttled', ' {} of the time')}{facts.lasted()}",
        facts.take("threshold", ", threshold {}") + facts.take("cpu", ", while it uses {} of its limit"),
    )


def _format_memory(facts: _Facts) -> Headline:
    growth = facts.take("growth", ", rises by {}") + facts.take("full_in", ", full in {}")
    share = facts.take_share("memory_bytes", "memory_limit")
    threshold = facts.take("threshold", ", threshold {}")
    return (
        f"memory at {facts.take('memory') or 'its threshold'}{facts.lasted()}",
        f"{growth}{threshold}{share}",
    )


def _format_leak(facts: _Facts) -> Headline:
    growth = facts.take("growth")
    if not growth:
        return _format_memory(facts)
    facts.take("memory")
    facts.take("threshold")
    full, share = facts.take("full_in", ", full in {}"), facts.take_share("memory_bytes", "memory_limit")
    return f"memory has risen by {growth}{facts.take('seen', ' for {}')}", f"{full}{share}"


def _format_disk(facts: _Facts) -> Headline:
    sizes = facts.take("disk_bytes", "writable layer has {}") or facts.take("log_bytes", "log has {}")
    return (
        sizes or facts.take("disk", "disk is {} full") or KIND_TEXTS[Kind.DISK_HIGH],
        facts.take("threshold", ", threshold {}") + facts.take("disk_free", ", {} free"),
    )


def _format_count(share: str, limit: str, noun: str) -> Callable[[_Facts], Headline]:
    def format_headline(facts: _Facts) -> Headline:
        of = facts.take(limit, " of its {} " + noun)
        return f"{facts.take(share) or 'many'}{of or f' {noun}'}{facts.lasted()}", facts.take(
            "threshold", ", threshold {}"
        )

    return format_headline


def _format_storm(facts: _Facts) -> Headline:
    kinds = facts.take("kinds")
    for kind, text in KIND_TEXTS.items():
        kinds = kinds.replace(f"{kind} ", f"{text} ")
    names, project = facts.take("containers", ": {}"), facts.take("project", ", all of the project {}")
    return (
        f"{facts.take('storm') or 'many'} containers failed at once",
        f"{names}{kinds and f' ({kinds})'}{project}",
    )


_HEADLINES: Final[Mapping[Kind, Callable[[_Facts], Headline]]] = {
    Kind.EXITED: _format_exit,
    Kind.CRASH_LOOP: _format_crash_loop,
    Kind.OOM: _format_oom,
    Kind.UNHEALTHY: _format_unhealthy,
    Kind.FLAPPING: _format_flapping,
    Kind.HUNG: _format_hung,
    Kind.CPU_HIGH: _format_cpu,
    Kind.CPU_THROTTLED: _format_throttling,
    Kind.MEMORY_HIGH: _format_memory,
    Kind.MEMORY_LEAK: _format_leak,
    Kind.DISK_HIGH: _format_disk,
    Kind.PIDS_HIGH: _format_count("pids", "pids_limit", "processes"),
    Kind.FD_HIGH: _format_count("open_files", "files_limit", "open files"),
    Kind.STORM: _format_storm,
    Kind.ORDERED: lambda _: (KIND_TEXTS[Kind.ORDERED], ""),
}
