"""Prints the table, or JSON."""

import argparse
import json
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.bench import crash, footprint, sampling, startup
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


def _footprint(figures: dict[str, float]) -> Rows:
    rss, pss = figures["resident"] / 2**20, figures["proportional"] / 2**20
    return [
        ("hemostat all, 20 containers: resident", f"{rss:.0f} MiB", f"{pss:.0f} MiB proportional (aim 200)"),
        ("  idle CPU of one core", f"{figures['idle CPU'] * 100:.2f} %", "aim 1 %"),
    ]


MEASUREMENTS: dict[str, tuple[Callable[[Lab], dict[str, float]], Callable[[dict[str, float]], Rows]]] = {
    "crash": (crash.measure, _crash),
    "sampling": (sampling.measure, _sampling),
    "startup": (lambda _: startup.measure(), _startup),
    "footprint": (footprint.measure, _footprint),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.names) - MEASUREMENTS.keys()
    if unknown:
        parser.error(f"no measurement {', '.join(sorted(unknown))}")
    figures: dict[str, dict[str, float]] = {}
    table = Table("what", "measured", "ratio")
    with lab() as made:
        for name in options.names or MEASUREMENTS:
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
