"""The scenarios as data: the container, the fault, and the facts that the engine must report at the end."""

from typing import Final, Literal

import msgspec

MIB: Final = 1 << 20

OBEDIENT_SCRIPT: Final = "trap 'exit 0' TERM; trap 'exit 7' USR1; while :; do sleep 0.1; done"
"""Ends at once when asked to, so that a restart does not wait for the stop timeout."""

SPIN_SCRIPT: Final = "while :; do :; done"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario. `fault` is run in the container by `sh -c`.

    `expected` are facts to compare with the engine's: `restarts` since the first fault, `status`, `health`,
    `disk` (writable layer, against the threshold); and `alerts`, if no alert may occur. `window` is how
    long the condition must hold before it is an alert, in seconds.
    """

    name: str
    breaks: str
    heals: str
    fault: str
    expected: dict[str, int | str | None]
    main: str = OBEDIENT_SCRIPT
    labels: dict[str, str] = {}
    memory: int | None = None
    health: tuple[str, ...] | None = None
    window: float = 0.0
    calm: float = 0.0
    """Seconds without a fault before the first one."""
    rounds: int = 1
    """How often the fault is caused, each time after the previous one was handled."""
    watch: float = 0.0
    """Seconds to observe after the last fault if no remediation is expected."""
    cured_by: Literal["start", "healthy", "remediation", "nothing"] = "start"
    """The sign of healing: the engine's event of that name, or the end of the remediation."""
    needs_cgroups: bool = False
    """Whether the fault shows in the container's own CPU or memory alone."""
    ending: str = ""
    """The expected end, if it is not a healed container."""


def _make_window_label(seconds: int) -> dict[str, str]:
    return {"hemostat.window": f"{seconds}s"}


HEALTH_COMMAND: Final = ("test", "!", "-e", "/tmp/sick")
SICKEN_SCRIPT: Final = "touch /tmp/sick"
RECOVER_SCRIPT: Final = f"rm -f /tmp/sick; {OBEDIENT_SCRIPT}"
RESTARTED_FACTS: Final[dict[str, int | str | None]] = {"restarts": 1, "status": "running", "health": None}
LEAK_SCRIPT: Final = (
    "head -c 50m /dev/zero >/dev/shm/leak; now() { read -r up _ </proc/uptime; echo ${up%.*}${up#*.}; }; "
    "began=$(now) had=0; while sleep 0.1; do due=$((($(now) - began) * 10)); "
    "head -c $((due - had))k /dev/zero >>/dev/shm/leak; had=$due; done"
)
"""50 MiB at once and then 1 MB/s.

The rate follows the clock, so that it is the same on a busy machine: above the threshold, and rising
steadily.
"""

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="cpu-spike",
            breaks="a process runs an endless loop",
            heals="restarted when the CPU has been high for its window of 5 s",
            fault=f"{{ {SPIN_SCRIPT}; }} >/dev/null 2>&1 &",
            labels=_make_window_label(5),
            window=5.0,
            calm=3.0,
            needs_cgroups=True,
            expected=RESTARTED_FACTS,
        ),
        Scenario(
            name="high-memory",
            breaks="a process leaks memory towards its limit of 64 MiB",
            heals="restarted before the limit is reached",
            fault=f"{{ {LEAK_SCRIPT}; }} >/dev/null 2>&1 &",
            labels={**_make_window_label(5), "hemostat.leak_window": "5s"},
            memory=64 * MIB,
            window=5.0,
            needs_cgroups=True,
            expected=RESTARTED_FACTS,
        ),
        Scenario(
            name="crash",
            breaks="the main process exits with code 7",
            heals="started again at once",
            fault="kill -USR1 1",
            expected=RESTARTED_FACTS,
        ),
        Scenario(
            name="crash-loop",
            breaks="the main process exits with code 7 after every start",
            heals="started twice; the third exit is a crash loop, which is left to people",
            fault="kill -USR1 1",
            rounds=3,
            watch=2.0,
            ending="left to people after 2 restarts",
            expected={"restarts": 2, "status": "exited", "health": None},
        ),
        Scenario(
            name="unhealthy",
            breaks="the health check starts to fail",
            heals="restarted, and its health check passes",
            main=RECOVER_SCRIPT,
            fault=SICKEN_SCRIPT,
            health=HEALTH_COMMAND,
            cured_by="healthy",
            expected={"restarts": 1, "status": "running", "health": "healthy"},
        ),
        Scenario(
            name="oom",
            breaks="the kernel kills the main process at its memory limit of 32 MiB",
            heals="started again at once",
            main="rm -f /tmp/fault; trap 'exit 0' TERM; until [ -e /tmp/fault ]; do sleep 0.1; done; "
            "rm /tmp/fault; exec tail /dev/zero",
            fault="touch /tmp/fault",
            memory=32 * MIB,
            needs_cgroups=True,
            expected=RESTARTED_FACTS,
        ),
        Scenario(
            name="false-alarm",
            breaks="a CPU spike that ends after 2 s",
            heals="no action: the spike is shorter than the window of 5 s",
            fault=f"timeout 2 sh -c '{SPIN_SCRIPT}' >/dev/null 2>&1 &",
            labels=_make_window_label(5),
            window=5.0,
            watch=9.0,
            cured_by="nothing",
            needs_cgroups=True,
            ending="no action",
            expected={"restarts": 0, "status": "running", "health": None, "alerts": 0},
        ),
        Scenario(
            name="restart-limit",
            breaks="the health check fails again after every restart",
            heals="restarted once; when it fails again, it is left to people and the budget is not used up",
            main=RECOVER_SCRIPT,
            fault=SICKEN_SCRIPT,
            health=HEALTH_COMMAND,
            rounds=2,
            cured_by="healthy",
            watch=2.0,
            ending="left to people after 1 restart",
            expected={"restarts": 1, "status": "running", "health": "unhealthy"},
        ),
        Scenario(
            name="cleanup",
            breaks="a cache grows over the threshold of 16 MiB",
            heals="the directory that its label names is emptied, without a restart",
            fault="mkdir -p /tmp/cache && head -c 24m /dev/zero >/tmp/cache/fill",
            labels={"hemostat.disk": "16MiB", "hemostat.cleanup.paths": "/tmp/cache"},
            cured_by="remediation",
            expected={"restarts": 0, "status": "running", "disk": "below 16.0 MiB"},
        ),
    )
}
