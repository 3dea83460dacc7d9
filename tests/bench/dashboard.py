"""What the dashboard costs, alone or beside that of another commit.

Alone it is measured as a user runs it, so the aims apply to these figures. Beside another commit's, both run
on one Redis at the same time, and keys are pressed in turn: other work on the machine disturbs both alike, so
the ratios count. Both draw the same events at the same moment, so on two cores each delays the other's keys.

An hour of events is published as fast as Redis takes them.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from hemostat.adapters.redis import RedisBus
from tests.bench.lab import cpu_seconds, memory
from tests.bench.terminal import Terminal, running
from tests.bench.tui import CROWD, DASHBOARD, FIFTH, HOUR, QUIET, SECONDS, SETTLE, Crowd, place

ROOT = Path(__file__).parents[2]
COUNT = 2000
KEYS = 300
QUARTERS = 4
NOW, BEFORE = "now", "before"


def measure(against: str = "", hour: int = HOUR) -> dict[str, float]:
    """Shares of a core, seconds and bytes, by the dashboard's name and the figure's."""
    with ExitStack() as stack:
        trees = {NOW: ROOT}
        if against:
            trees[BEFORE] = stack.enter_context(_checked_out(against))
        client, environ = stack.enter_context(place())
        bus = RedisBus(client)
        figures = _measure_load(bus, trees, environ)
        client.raw.flushall()
        figures |= _measure_idle(bus, trees, environ)
        client.raw.flushall()
        return figures | _measure_hour(bus, trees, environ, hour)


def _measure_load(bus: RedisBus, trees: dict[str, Path], environ: dict[str, str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    with Crowd(bus, COUNT), _run_dashboards(trees, environ) as screens:
        _watch(screens, SETTLE)
        before = {name: _read_cpu(screen) for name, screen in screens.items()}
        _watch(screens, SECONDS)
        for name, screen in screens.items():
            figures[f"{name} CPU"] = (_read_cpu(screen) - before[name]) / SECONDS
        keys: dict[str, list[float]] = {name: [] for name in screens}
        for number in range(-2, KEYS):
            for name, screen in screens.items():
                took = screen.press(b"j" if number % 20 < QUARTERS * 3 else b"k")
                if number >= 0:
                    keys[name].append(took)
            _watch(screens, 0.03)
    for name, each in keys.items():
        figures[f"{name} key p50"], figures[f"{name} key p99"] = median(each), quantiles(each, n=100)[98]
    return figures


def _measure_idle(bus: RedisBus, trees: dict[str, Path], environ: dict[str, str]) -> dict[str, float]:
    with Crowd(bus, CROWD, changing=False), _run_dashboards(trees, environ) as screens:
        _watch(screens, SETTLE)
        sent = _watch(screens, QUIET)
    return {f"{name} idle bytes": count for name, count in sent.items()}


def _measure_hour(
    bus: RedisBus, trees: dict[str, Path], environ: dict[str, str], hour: int
) -> dict[str, float]:
    """Resident bytes before the hour and after each quarter of it."""
    figures: dict[str, float] = {}

    def note(moment: str) -> None:
        _watch(screens, 3.0)
        for name, screen in screens.items():
            figures[f"{name} memory {moment}"] = memory([screen.process.pid])[0]

    with Crowd(bus, CROWD) as crowd, _run_dashboards(trees, environ) as screens:
        _watch(screens, SETTLE)
        # Log and trails are full then, so that what grows after that is a leak.
        _publish(crowd, screens, range(600))
        note("0")
        for quarter in range(QUARTERS):
            _publish(crowd, screens, range(quarter * hour // QUARTERS, (quarter + 1) * hour // QUARTERS))
            note(f"{quarter + 1}/{QUARTERS}")
        for screen in screens.values():
            screen.press(b"j")
    return figures


def _publish(crowd: Crowd, screens: dict[str, Terminal], turns: Sequence[int]) -> None:
    for turn in turns:
        crowd.tell(range(turn % FIFTH, CROWD, FIFTH), turn)
        crowd.fail(turn)
        _watch(screens, 0.001)


def _watch(screens: dict[str, Terminal], seconds: float) -> dict[str, int]:
    """Read from all screens for so long; returns the bytes of each."""
    sent = dict.fromkeys(screens, 0)
    slice_seconds = min(seconds, 0.05) / len(screens)
    for _ in range(max(1, round(seconds / (slice_seconds * len(screens))))):
        for name, screen in screens.items():
            sent[name] += screen.watch(slice_seconds)
    return sent


def _read_cpu(screen: Terminal) -> float:
    return cpu_seconds([screen.process.pid])


@contextmanager
def _run_dashboards(trees: dict[str, Path], environ: dict[str, str]) -> Iterator[dict[str, Terminal]]:
    with ExitStack() as stack:
        screens: dict[str, Terminal] = {}
        for name, tree in trees.items():
            state = stack.enter_context(tempfile.TemporaryDirectory(prefix="hs-bench-"))
            own = {**environ, "PYTHONPATH": str(tree), "HEMOSTAT_STATE_DIR": state}
            screens[name] = stack.enter_context(running(DASHBOARD, own, tree))
        yield screens


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    """A worktree of the commit, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as directory:
        tree = Path(directory, "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def make_rows(figures: dict[str, float]) -> list[tuple[str, str, str]]:
    """The figures, those of the other commit beside them, and the aims."""

    def row(label: str, figure: str, scale: float, unit: str, aim: str) -> tuple[str, str, str]:
        now, before = figures[f"{NOW} {figure}"], figures.get(f"{BEFORE} {figure}")
        own = f"{now * scale:,.1f} {unit}"
        if before is None:
            return label, own, aim
        ratio = f"{now / before:.2f} x" if before else ("equal" if now == before else "more")
        return label, f"{own}  before {before * scale:,.1f} {unit}", f"{ratio}; {aim}"

    mib = 1 / 2**20
    return [
        (f"dashboard of {COUNT:,} containers, a fifth changing every second", "", ""),
        row("  CPU of one core", "CPU", 100, "%", "aim 4 %"),
        row("  key to paint, median", "key p50", 1e3, "ms", ""),
        row("  key to paint, p99", "key p99", 1e3, "ms", "aim 35 ms"),
        row(f"  bytes in {QUIET:.0f} s in which nothing changes", "idle bytes", 1, "B", "aim 0"),
        *(
            row(
                f"  resident after {moment} of an hour of events", f"memory {moment}", mib, "MiB", "aim: flat"
            )
            for moment in ("0", *(f"{each + 1}/{QUARTERS}" for each in range(QUARTERS)))
        ),
    ]
