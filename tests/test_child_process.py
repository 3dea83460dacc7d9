"""Forked processes, in a process of the test's own: one with threads must not be forked."""

import subprocess
import sys

import pytest

PREFIX = """
import logging, os, signal, sys, threading, time
from hemostat.errors import ConfigError
from hemostat.supervisor.child_process import call_in_child, fork

def read(process):
    with os.fdopen(process.output) as pipe:
        text = pipe.read()
    process.wait()
    return text, process.poll()

keep_read, keep = os.pipe()
"""


def run(program: str) -> str:
    """Return the output. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-c", PREFIX + program], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def test_child_keeps_only_the_standard_streams_and_one_descriptor():
    output = run("""
lock = open("/dev/zero")
logging.basicConfig(filename="/dev/null")
def list_descriptors():
    logging.basicConfig(force=True)
    lock = open("/dev/zero")
    print(*os.listdir("/proc/self/fd")[:-1])
    return 0
text, code = read(fork("monitor", list_descriptors, keep))
expected = {0, 1, 2, keep}
descriptors = set(map(int, text.split()))
print(code, expected <= descriptors, len(descriptors - expected))
""")
    # The one more is the file that the child has opened.
    assert output.split() == ["0", "True", "1"]


def test_child_ends_with_the_code_that_it_returns():
    assert run("print(read(fork('alert', lambda: print('out') or 7, keep)))") == "('out\\n', 7)\n"


def test_child_that_raises_prints_the_traceback():
    output = run("text, code = read(fork('alert', lambda: 1 / 0, keep)); print(code, text)")
    assert output.startswith("70 Traceback")
    assert "ZeroDivisionError" in output


def test_buffered_output_of_the_parent_is_written_once():
    assert run("print('before'); read(fork('alert', lambda: 0, keep))") == "before\n"


def test_child_waits_for_its_threads():
    output = run("""
def begin():
    threading.Thread(target=lambda: time.sleep(0.1) or print("late")).start()
    return 0
print(read(fork("alert", begin, keep)))
""")
    assert output == "('late\\n', 0)\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal_to_a_new_child_is_not_lost(name):
    """The supervisor notes signals; what comes before the child has left it must still end the child."""
    output = run(f"""
noted = []
signal.signal(signal.{name}, lambda number, frame: noted.append(number))
for _ in range(20):
    child = fork("alert", lambda: time.sleep(60) or 0, keep)
    os.kill(child.pid, signal.{name})
    text, code = read(child)
    assert code in (-signal.{name}, 70), (code, text)
print(noted)
""")
    assert output == "[]\n"


def test_name_of_a_child_is_that_of_its_role():
    assert (
        run(
            "print(read(fork('monitor web1', lambda: print(open('/proc/self/comm').read()) or 0, keep))[0])"
        ).split("\n")[0]
        == "monitor web1"
    )


def test_error_in_a_child_is_raised_with_its_hint():
    output = run("""
def fail():
    raise ConfigError("no such file", hint="create it")
try:
    call_in_child(fail)
except ConfigError as error:
    print(error, error.exit_code)
""")
    assert output == "no such file: create it 2\n"


def test_error_that_cannot_be_sent_is_named():
    output = run("""
class Odd(Exception):
    def __reduce__(self):
        raise TypeError
def fail():
    raise Odd("text")
try:
    call_in_child(fail)
except RuntimeError as error:
    print(error)
""")
    assert output == "Odd: text\n"


def test_killed_check_is_an_error():
    output = run("""
from hemostat.errors import HemoStatError
try:
    call_in_child(lambda: os.kill(os.getpid(), signal.SIGKILL))
except HemoStatError as error:
    print(error)
""")
    assert output == "the check of the settings was terminated by SIGKILL\n"


def test_work_in_a_child_changes_nothing_in_the_parent():
    assert run("call_in_child(lambda: __import__('sqlite3')); print('sqlite3' in sys.modules)") == "False\n"
