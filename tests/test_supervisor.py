"""`supervise`, over small processes of the test's own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.engine_fixtures import eventually

PARENT = """
import sys
from pathlib import Path
from hemostat import terminal
from hemostat.errors import HemoStatError
from hemostat.supervisor import supervise

CHILDREN = {children!r}
try:
    code = supervise(
        list(CHILDREN),
        lambda role, instance: [sys.executable, "-c", CHILDREN[role]],
        state_dir=Path({state!r}),
        out=sys.stderr,
        grace={grace},
        json_lines={json_lines},
    )
except HemoStatError as error:
    print(error, file=sys.stderr)
    code = error.exit_code
terminal.flush(sys.stderr)
sys.exit(code)
"""
SLEEPER = """import os, time
print('here', os.getpid(), flush=True)
time.sleep(100)
"""
STUBBORN = f"""import signal
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
{SLEEPER}
"""
ONCE = "print('that was it', flush=True); raise SystemExit(3)"
MISCONFIGURED = "raise SystemExit(2)"
RUDE = r"import time; print('\x1b[2Jclear', flush=True); time.sleep(100)"

Start = Callable[..., "Supervised"]


class Supervised:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()

    def says(self, text: str) -> bool:
        return any(text in line for line in self.lines())

    def pids(self, role: str) -> list[int]:
        return [int(line.split()[-1]) for line in self.lines() if line.startswith(role) and "| here" in line]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(timeout=20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def begin(children: dict[str, str], *, grace: float = 10.0, json_lines: bool = False) -> Supervised:
        log = tmp_path / f"{len(started)}.log"
        state = str(tmp_path / "state")
        program = PARENT.format(children=children, state=state, grace=grace, json_lines=json_lines)
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stderr=out)
        started.append(Supervised(process, log))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_child_output_is_labelled_and_escaped(start):
    running = start({"monitor": RUDE, "alert": SLEEPER})
    eventually(lambda: running.says("clear") and running.pids("alert"))
    assert "monitor  | \N{REPLACEMENT CHARACTER}[2Jclear" in running.lines()


TALKER = r"""import time
print('{"level": "info", "event": "x.y"}', flush=True)
print('{"half', flush=True)
print('[1]\x1b[2J', flush=True)
time.sleep(100)
"""


def test_json_lines_of_children_name_their_role(start):
    running = start({"monitor": TALKER, "alert": ONCE}, json_lines=True)
    eventually(lambda: running.says("[1]") and running.says("restarting in"))
    told = [json.loads(line) for line in running.lines()]
    own = [each for each in told if each["role"] == "monitor"]
    assert own[0] == {"role": "monitor", "level": "info", "event": "x.y"}
    assert [each["text"] for each in own[1:]] == ['{"half', "[1]\N{REPLACEMENT CHARACTER}[2J"]
    assert any(each["role"] == "hemostat" and "alert ended with code 3" in each["text"] for each in told)


def test_killed_child_is_started_again(start):
    running = start({"monitor": SLEEPER})
    eventually(lambda: running.pids("monitor"))
    os.kill(running.pids("monitor")[0], signal.SIGKILL)
    eventually(lambda: len(running.pids("monitor")) == 2)
    assert running.says("monitor was terminated by SIGKILL, restarting in 100 ms")


def test_repeatedly_failing_child_is_started_with_backoff(start):
    running = start({"monitor": ONCE})
    eventually(lambda: running.says("restarting in 400 ms"))
    waits = [line.rpartition(" in ")[2] for line in running.lines() if "restarting in" in line]
    assert waits[:3] == ["100 ms", "200 ms", "400 ms"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_stops_all_children(start, number, code):
    running = start({"monitor": SLEEPER, "alert": SLEEPER})
    eventually(lambda: running.pids("monitor") and running.pids("alert"))
    running.signal(number)
    assert running.end() == code
    assert not any(is_alive(pid) for role in ("monitor", "alert") for pid in running.pids(role))


def test_child_that_does_not_stop_in_time_is_killed(start):
    running = start({"monitor": STUBBORN}, grace=0.1)
    eventually(lambda: running.pids("monitor"))
    running.signal(signal.SIGTERM)
    assert running.end() == 0
    assert running.says("monitor did not stop in time and was killed")
    assert not is_alive(running.pids("monitor")[0])


def test_a_second_interrupt_does_not_wait(start):
    running = start({"monitor": STUBBORN}, grace=1000.0)
    eventually(lambda: running.pids("monitor"))
    running.signal(signal.SIGINT)
    eventually(lambda: running.says("| no"))
    running.signal(signal.SIGINT)
    assert running.end() == 130
    assert not is_alive(running.pids("monitor")[0])


def test_child_with_invalid_configuration_ends_all(start):
    running = start({"monitor": MISCONFIGURED, "alert": SLEEPER})
    assert running.end() == 2
    assert running.says("monitor ended with code 2, stopping")


def test_configuration_broken_later_ends_no_child(start, tmp_path):
    once = f"""import pathlib
spoilt = pathlib.Path({str(tmp_path)!r}, "spoilt")
code = 2 if spoilt.exists() else 3
spoilt.touch()
raise SystemExit(code)
"""
    running = start({"monitor": once, "alert": SLEEPER})
    eventually(lambda: running.says("monitor ended with code 2, restarting in"))
    assert running.process.poll() is None
    assert len(running.pids("alert")) == 1


def test_second_supervisor_of_the_same_state_is_refused(start):
    first = start({"monitor": SLEEPER})
    eventually(lambda: first.pids("monitor"))
    second = start({"monitor": SLEEPER})
    assert second.end() == 2
    assert second.says("hemostat all is already running on")
    assert second.says(f"as process {first.process.pid}")


def test_full_disk_under_the_log_ends_no_child(tmp_path):
    children = {"monitor": f"import pathlib; pathlib.Path({str(tmp_path)!r}, 'runs').touch(); {ONCE}"}
    state = str(tmp_path / "state")
    program = PARENT.format(children=children, state=state, grace=10.0, json_lines=False)
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen([sys.executable, "-c", program], stderr=full) as process,
    ):
        for _ in range(2):
            eventually((tmp_path / "runs").exists)
            (tmp_path / "runs").unlink()
        process.terminate()
        assert process.wait(timeout=20) == 0
