"""`supervise`, over small processes of the test's own."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.engine_fixtures import eventually

PARENT = """
import os
import sys
from pathlib import Path
from hemostat import terminal
from hemostat.errors import HemoStatError
from hemostat.supervisor import supervise
from hemostat.supervisor.service_manager import ServiceManager

CHILDREN = {children!r}

def run(role, instance, ready):
    os.set_inheritable(ready, True)
    os.execv(sys.executable, [sys.executable, "-c", CHILDREN[role], str(ready)])

try:
    code = supervise(
        list(CHILDREN),
        run,
        state_dir=Path({state!r}),
        out=sys.stderr,
        manager=ServiceManager(),
        grace={grace},
        progress_seconds={progress},
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
READY_IF_ASKED = f"""import os, sys, pathlib, time
while not pathlib.Path({{permit!r}}).exists():
    time.sleep(0.01)
os.write(int(sys.argv[1]), b"1")
{SLEEPER}
"""
LOADING = """import os
parent = os.getppid()
while os.getppid() == parent:
    sum(range(100_000))
"""
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

    def begin(
        children: dict[str, str],
        *,
        grace: float = 10.0,
        progress: float = 20.0,
        json_lines: bool = False,
        **environment: str,
    ) -> Supervised:
        log = tmp_path / f"{len(started)}.log"
        state = str(tmp_path / "state")
        program = PARENT.format(
            children=children, state=state, grace=grace, progress=progress, json_lines=json_lines
        )
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(program)],
                stderr=out,
                env={**os.environ, **environment},
            )
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


def test_lines_of_a_child_with_an_engine_name_both(start):
    running = start({"monitor web1": TALKER, "monitor web2": SLEEPER}, json_lines=True)
    eventually(lambda: running.says("here") and running.says("[1]"))
    found = {(each["role"], each.get("engine")) for each in map(json.loads, running.lines())}
    assert found == {("monitor", "web1"), ("monitor", "web2")}


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
    program = PARENT.format(children=children, state=state, grace=10.0, progress=20.0, json_lines=False)
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen([sys.executable, "-c", program], stderr=full) as process,
    ):
        for _ in range(2):
            eventually((tmp_path / "runs").exists)
            (tmp_path / "runs").unlink()
        process.terminate()
        assert process.wait(timeout=20) == 0


class Manager:
    """A service manager's socket."""

    def __init__(self, address: str, name: str) -> None:
        self.environment = {"NOTIFY_SOCKET": name}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind(address)

    def receive(self) -> list[str]:
        return self.socket.recv(4096).decode().splitlines()

    def receive_until(self, line: str) -> list[list[str]]:
        messages = [self.receive()]
        while line not in messages[-1]:
            messages.append(self.receive())
        return messages

    def receive_waiting(self) -> None:
        """All that has been sent."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.receive()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path) -> Iterator[Manager]:
    name = f"hemostat-test-{os.getpid()}"
    made = (
        Manager(f"\0{name}", f"@{name}")
        if request.param == "abstract"
        else Manager(str(tmp_path / "notify"), str(tmp_path / "notify"))
    )
    yield made
    made.socket.close()


def test_manager_hears_ready_when_every_role_is_up(start, manager, tmp_path):
    permits = {role: str(tmp_path / role) for role in ("monitor", "alert")}
    children = {role: READY_IF_ASKED.format(permit=permit) for role, permit in permits.items()}
    running = start(children, **manager.environment)
    assert manager.receive() == ["STATUS=waiting for monitor, alert"]
    Path(permits["alert"]).touch()
    assert manager.receive() == ["STATUS=waiting for monitor"]
    Path(permits["monitor"]).touch()
    assert manager.receive() == ["READY=1", "STATUS=all roles are running"]
    running.signal(signal.SIGTERM)
    assert manager.receive() == ["STOPPING=1", "STATUS=stopping"]


def test_manager_hears_ready_once_and_which_role_is_down(start, manager, tmp_path):
    running = start({"monitor": READY_IF_ASKED.format(permit=str(tmp_path))}, **manager.environment)
    manager.receive_until("READY=1")
    eventually(lambda: running.pids("monitor"))
    os.kill(running.pids("monitor")[0], signal.SIGKILL)
    assert manager.receive() == ["STATUS=waiting for monitor"]
    assert manager.receive() == ["STATUS=all roles are running"]


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_start_gets_more_time_while_a_role_loads(start, manager):
    running = start({"monitor": LOADING, "alert": SLEEPER}, progress=0.5, **manager.environment)
    for _ in range(2):
        manager.receive_until("EXTEND_TIMEOUT_USEC=60000000")
    running.signal(signal.SIGTERM)
    assert running.end() == 0


@pytest.mark.parametrize("manager", ["path"], indirect=True)
@pytest.mark.parametrize("child", [SLEEPER, ONCE])
def test_start_gets_no_more_time_for_a_role_that_waits_or_ends(start, manager, child):
    running = start({"monitor": child}, progress=0.1, WATCHDOG_USEC="200000", **manager.environment)
    eventually(lambda: running.pids("monitor") or running.says("restarting"))
    # Each sign of life follows a measurement: the first one may still show how the process has loaded.
    for _ in range(3):
        manager.receive_until("WATCHDOG=1")
    messages = [line for _ in range(5) for each in manager.receive_until("WATCHDOG=1") for line in each]
    assert not any(line.startswith("EXTEND") for line in messages)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_hung_supervisor_sends_no_sign_of_life(start, manager):
    running = start({"monitor": SLEEPER}, WATCHDOG_USEC="100000", **manager.environment)
    for _ in range(3):
        manager.receive_until("WATCHDOG=1")
    running.signal(signal.SIGSTOP)
    eventually(lambda: "State:\tT" in Path(f"/proc/{running.process.pid}/status").read_text())
    manager.receive_waiting()
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.receive()


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_watchdog_of_another_process_gets_no_sign_of_life(start, manager):
    running = start({"monitor": SLEEPER}, WATCHDOG_USEC="1000", WATCHDOG_PID="1", **manager.environment)
    eventually(lambda: running.pids("monitor"))
    running.signal(signal.SIGTERM)
    assert ["WATCHDOG=1"] not in manager.receive_until("STOPPING=1")


def test_supervisor_runs_without_its_service_manager(start, tmp_path):
    running = start({"monitor": SLEEPER}, NOTIFY_SOCKET=str(tmp_path / "none"), WATCHDOG_USEC="1000")
    eventually(lambda: running.pids("monitor"))
    running.signal(signal.SIGTERM)
    assert running.end() == 0
