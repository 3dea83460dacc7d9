"""Prints the table, or JSON."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from rich.console import Console
from rich.table import Table

from tests.bench import (
    completion,
    crash,
    dashboard,
    footprint,
    pipeline,
    sampling,
    scale,
    startup,
    store,
    tui,
)
from tests.bench.lab import Lab, lab

Rows = list[tuple[str, str, str]]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"


def _against(first: float, second: float) -> str:
    return f"{first / second:.2f} x"


def _crash(figures: dict[str, float]) -> Rows:
    ours, floor, policy = figures.values()
    return [
        ("crash to running again: HemoStat, four roles", _ms(ours), ""),
        ("  floor: die event + start call", _ms(floor), f"{_against(ours, floor)} the floor (aim 1.30)"),
        ("  Docker --restart=always", _ms(policy), f"{_against(ours, policy)} Docker (aim below 1)"),
    ]


def _sampling(figures: dict[str, float]) -> Rows:
    ours, stats = figures.values()
    return [
        ("CPU of one container sample: HemoStat", _us(ours), ""),
        ("  docker stats, all processes", _us(stats), f"1/{stats / ours:.0f} of it (aim 1/20)"),
    ]


def _startup(figures: dict[str, float]) -> Rows:
    ours, bare = figures.values()
    return [
        ("hemostat --help", _ms(ours), ""),
        ("  bare click --help", _ms(bare), f"{_against(ours, bare)} bare click (aim 2)"),
    ]


def _completion(figures: dict[str, float]) -> Rows:
    return [(f"completion of {name}", _ms(seconds), "aim 150 ms") for name, seconds in figures.items()]


def _footprint(figures: dict[str, float]) -> Rows:
    rss, pss = figures["resident"] / 2**20, figures["proportional"] / 2**20
    return [
        ("hemostat all, 20 containers: resident", f"{rss:.0f} MiB", f"{pss:.0f} MiB proportional (aim 200)"),
        ("  idle CPU of one core", f"{figures['idle CPU'] * 100:.2f} %", "aim 1 %"),
    ]


def _scale(figures: dict[str, float]) -> Rows:
    counts = dict.fromkeys(key.partition(" ")[0] for key in figures)

    def row(label: str, name: str, show: Callable[[float], str], aim: str) -> tuple[str, str, str]:
        return label, "  ".join(show(figures[f"{count} {name}"]) for count in counts), aim

    return [
        (f"with {' / '.join(counts)} quiet containers, sampled once a second", "", ""),
        row("  HemoStat CPU, all processes, of one core", "HemoStat CPU", _percent, "aim 3 %"),
        row("  and of the engine on its behalf", "engine CPU for HemoStat", _percent, "both together"),
        row("  docker stats CPU, engine included", "docker stats CPU", _percent, ""),
        row("  death to alert received, median", "alert p50", _tenths, ""),
        row("  death to alert received, p99", "alert p99", _tenths, "aim 10 ms"),
        row("  monitor's exec to the last container's stats", "start-up", _ms, "aim 1,000 ms"),
        row("  resident", "resident", _mib, ""),
        row("  proportional", "proportional", _mib, ""),
    ]


def _pipeline(figures: dict[str, float]) -> Rows:
    counts = dict.fromkeys(key.partition(" ")[0] for key in figures)

    def row(label: str, name: str, show: Callable[[float], str], aim: str) -> tuple[str, str, str]:
        return label, "  ".join(show(figures[f"{count} {name}"]) for count in counts), aim

    return [
        (f"with {' / '.join(counts)} analyzers and responders", "", ""),
        row("  alerts through the whole pipeline", "rate", lambda rate: f"{rate:,.0f}/s", "aim 2,000/s"),
        row("  alert to request at half that rate, median", "request p50", _tenths, ""),
        row("  alert to request at half that rate, p99", "request p99", _tenths, "aim 5 ms"),
        row("  request to outcome at half that rate, median", "outcome p50", _tenths, ""),
        row("  request to outcome at half that rate, p99", "outcome p99", _tenths, "aim 5 ms"),
    ]


def _store(figures: dict[str, float]) -> Rows:
    rows: Rows = []
    for kind in dict.fromkeys(key.partition(" ")[0] for key in figures):
        own = {key.removeprefix(f"{kind} "): value for key, value in figures.items() if key.startswith(kind)}
        size = _mib_tenths(own.pop("bytes of 1,000 incidents"))
        rows += [
            (f"{kind}: events stored, in batches", f"{own.pop('rate'):,.0f}/s", ""),
            ("  on disk, 1,000 incidents of four events", size, ""),
            ("  rows verified", f"{own.pop('verified'):,.0f}/s", ""),
        ]
        rows += [(f"  {name}, of 1,000,000", _tenths(value), "aim 200 ms") for name, value in own.items()]
    return rows


def _mib_tenths(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"


def _tui(figures: dict[str, float]) -> Rows:
    counts = [key.partition(" ")[0] for key in figures if key.endswith("key p50")]

    def row(label: str, name: str, show: Callable[[float], str], aim: str) -> tuple[str, str, str]:
        return label, "  ".join(show(figures[f"{count} {name}"]) for count in counts), aim

    def ratio(name: str) -> str:
        shares = (figures[f"{count} DataTable {name}"] / figures[f"{count} {name}"] for count in counts)
        return "  ".join(f"{share:.0f} x" for share in shares) + " as much"

    before, after = figures["hour before"], figures["hour after"]
    return [
        (f"dashboard of {' / '.join(counts)} containers, a fifth changing every second", "", ""),
        row("  bytes a second to the terminal", "bytes", _kib, "aim 3 KiB"),
        row("  a plain DataTable's", "DataTable bytes", _kib, ratio("bytes")),
        row("  CPU of one core", "CPU", _percent, "aim 5 %"),
        row("  a plain DataTable's", "DataTable CPU", _percent, ratio("CPU")),
        row("  key to paint, median", "key p50", _tenths, ""),
        row("  key to paint, p99", "key p99", _tenths, "aim 50 ms"),
        (f"  exec to first paint, fastest of {tui.STARTS}", _ms(figures["first paint"]), "aim 400 ms"),
        ("  a bare Textual app's", _ms(figures["bare first paint"]), ""),
        ("  exec to the containers shown", _ms(figures["containers shown"]), ""),
        ("  bytes in 6 s in which nothing changes", f"{figures['idle bytes']:.0f}", "aim 0"),
        (
            f"  an hour of {tui.CROWD} containers at {figures['hour rate']:,.0f} messages/s: resident",
            f"{_mib(before)} before, {_mib(after)} after",
            "aim: flat",
        ),
    ]


def _kib(size: float) -> str:
    return f"{size / 1024:.1f} KiB"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _tenths(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _mib(size: float) -> str:
    return f"{size / 2**20:.0f} MiB"


MEASUREMENTS: dict[str, tuple[Callable[[Lab], dict[str, float]], Callable[[dict[str, float]], Rows]]] = {
    "crash": (crash.measure, _crash),
    "sampling": (sampling.measure, _sampling),
    "startup": (lambda _: startup.measure(), _startup),
    "completion": (lambda _: completion.measure(), _completion),
    "footprint": (footprint.measure, _footprint),
    "scale": (scale.measure, _scale),
    "pipeline": (lambda _: pipeline.measure(), _pipeline),
    "store": (lambda _: store.measure(), _store),
    "tui": (lambda _: tui.measure(), _tui),
    "dashboard": (lambda _: dashboard.measure(), dashboard.make_rows),
}


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(word) for word in text.split(",")))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--counts", type=_counts, default=scale.COUNTS, help="containers for scale: 10,100,300"
    )
    parser.add_argument(
        "--against", default="", metavar="COMMIT", help="dashboard: another commit's beside it"
    )
    options = parser.parse_args()
    MEASUREMENTS["dashboard"] = lambda _: dashboard.measure(options.against), dashboard.make_rows
    MEASUREMENTS["scale"] = partial(scale.measure, counts=options.counts), _scale
    unknown = set(options.names) - MEASUREMENTS.keys()
    if unknown:
        parser.error(f"no measurement {', '.join(sorted(unknown))}")
    # Ended like this, it must still clear up what it has made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures: dict[str, dict[str, float]] = {}
    table = Table("what", "measured", "ratio")
    names = options.names or [name for name in MEASUREMENTS if name != "dashboard"]
    with nullcontext() if names == ["dashboard"] else lab() as made:
        for name in names:
            measure, rows = MEASUREMENTS[name]
            figures[name] = measure(made)
            for row in rows(figures[name]):
                table.add_row(*row)
    if options.json:
        print(json.dumps(figures))
    else:
        Console().print(table)


if __name__ == "__main__":
    main()
