"""`hemostat --help` against a click program that does nothing."""

import subprocess
import sys
import time
from statistics import median

BARE = """
import click

@click.group()
def main():
    pass

@main.command()
def nothing():
    pass

main()
"""


def measure(rounds: int = 25) -> dict[str, float]:
    """Median seconds."""
    commands = {
        "hemostat --help": [sys.executable, "-m", "hemostat", "--help"],
        "bare click --help": [sys.executable, "-c", BARE, "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - began)
    return {name: median(values) for name, values in times.items()}
