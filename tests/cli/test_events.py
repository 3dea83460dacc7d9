"""`hemostat events`: every event once, also after the connection was lost."""

import os
import signal
import subprocess

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.cli.status.events import MAX_SEEN, Reader, name_subject
from hemostat.errors import BusUnreachableError
from hemostat.events import DURABLE, Container, decode
from tests.support.samples import ALL, NOW, alert, complete, event, heartbeat, needed, stats

TOLD = [event for event in ALL if event.type in DURABLE]


class At:
    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


class Flaky(InMemoryBus):
    """Each subscription hears what the script has for it, then the connection is lost."""

    def __init__(self, *script) -> None:
        super().__init__(At(NOW))
        self._script = list(script)

    def subscribe(self, streams, *, timeout):
        yield None
        for each in self._script.pop(0):
            self.publish([each])
            yield each
        raise BusUnreachableError("gone")


def reader(bus, *, types=DURABLE, container=None):
    heard = []
    return Reader(bus, types, container, heard.append), heard


@pytest.fixture
def memory():
    bus = InMemoryBus(At(NOW))
    bus.publish(TOLD)
    return bus


def test_past_events_are_merged_by_time(memory):
    past, heard = reader(memory)
    past.read_past(50)
    assert heard == TOLD


@pytest.mark.redis
def test_containers_of_several_engines_are_qualified(hemostat, bus, environ):
    bus.publish([event(alert(), host="web1"), event(alert(), 1, incident="i2", host="web2")])
    assert "web1/web" not in hemostat("events").out
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1", "web2": "ssh://web2"}')
    lines = hemostat("events").out.splitlines()
    assert [line.split()[2] for line in lines] == ["web1/web", "web2/web"]


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_only_the_newest_are_printed(memory, lines):
    past, heard = reader(memory)
    past.read_past(lines)
    assert heard == TOLD[len(TOLD) - lines :]


def test_events_are_chosen_by_type_and_container(memory):
    other = event(alert(container=Container(id="c2", name="db")), 9)
    memory.publish([other])
    of_type, heard_of_type = reader(memory, types=("health_alert",))
    of_type.read_past(50)
    of_container, heard_of_container = reader(memory, container="db")
    of_container.read_past(50)
    assert heard_of_type == [TOLD[0], other]
    assert heard_of_container == [other]


def test_last_values_are_shown_for_unstored_types(memory):
    memory.publish_live([event(stats()), event(heartbeat())], ttl=10)
    past, heard = reader(memory, types=("container_stats",))
    past.read_past(50)
    assert [name_subject(each) for each in heard] == ["web"]


def test_each_event_is_printed_once_after_reconnects(capsys):
    """Events that are published while the connection is lost are printed later."""
    first, unheard, last = event(alert()), event(needed(), 1), event(complete(), 2)
    bus = Flaky([first], [last])
    follow, heard = reader(bus)
    follow.read_past(50)
    follow.read_live()
    bus.publish([unheard])
    follow.read_live()
    assert heard == [first, unheard, last]
    assert capsys.readouterr().err.count("connection lost") == 2


def test_lost_connection_is_reported_once_until_it_is_back(capsys):
    class Absent(InMemoryBus):
        def subscribe(self, streams, *, timeout):
            raise BusUnreachableError("refused")

    follow, _ = reader(Absent(At(NOW)))
    for _ in range(3):
        follow.read_live()
    assert capsys.readouterr().err.count("connection lost") == 1


def test_older_events_are_not_printed_unless_requested():
    bus = Flaky([])
    bus.publish(TOLD)
    follow, heard = reader(bus)
    follow.read_past(1)
    follow.read_live()
    assert heard == TOLD[-1:]


def test_permanent_error_ends_the_command():
    class Refusing(InMemoryBus):
        def subscribe(self, streams, *, timeout):
            raise BusUnreachableError("wrong password", transient=False)

    with pytest.raises(BusUnreachableError):
        reader(Refusing(At(NOW)))[0].read_live()


@pytest.mark.redis
def test_lines_are_plain_and_in_local_time(hemostat, bus):
    bus.publish(TOLD)
    lines = hemostat("events", "-n", "2").out.splitlines()
    assert len(lines) == 2
    assert [line.split(None, 4)[2:4] for line in lines] == [["web", "order"], ["*", "decision"]]
    assert lines[0].endswith("ann@h asks for a restart (it is slow)")
    assert lines[1].endswith("paused for 30 min, all containers, by ann@h (deploy)")


@pytest.mark.redis
def test_json_lines_are_the_events_on_the_stream(hemostat, bus):
    bus.publish(TOLD)
    lines = hemostat("events", "--json").out.encode().splitlines()
    assert [decode(each) for each in lines] == list(TOLD)


@pytest.mark.redis
def test_hostile_names_are_escaped(hemostat, bus):
    container = Container(id="c", name="a\x1b[2Jb\nc")
    bus.publish([event(alert(container=container))])
    [line] = hemostat("events").out.splitlines()
    assert r"a\x1b[2Jb\nc" in line


@pytest.mark.redis
def test_follow_flushes_and_ctrl_c_exits_with_130(spawn, bus):
    bus.publish(TOLD[:1])
    process = spawn("events", "-f", "--json")
    assert decode(process.stdout.readline().encode()) == TOLD[0]
    bus.publish(TOLD[1:2])
    assert decode(process.stdout.readline().encode()) == TOLD[1]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.redis
def test_follow_ends_when_the_pipe_is_closed(spawn, bus):
    """Though no event comes that could not be written."""
    reader, writer = os.pipe()
    process = spawn("events", "-f", stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    os.close(reader)
    assert process.wait(30) == 141


@pytest.mark.redis
def test_long_lines_are_folded_at_words_in_a_terminal(hemostat, environ, bus):
    bus.publish(TOLD)
    whole = hemostat("events").out.split()
    environ.setattr("hemostat.terminal.is_terminal", lambda _: True)
    environ.setenv("COLUMNS", "60")
    lines = hemostat("events").out.splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.startswith(" " * 21) for line in lines)
    assert " ".join(lines).split() == whole


def test_event_with_the_id_of_another_is_printed_as_well():
    memory = InMemoryBus(At(NOW))
    honest = event(alert())
    other = msgspec.structs.replace(event(complete(), 1), id=honest.id)
    memory.publish([honest, other, honest])
    one, printed = reader(memory)
    one.read_past(10)
    assert printed == [honest, other]


def test_printed_events_are_remembered_in_bounded_number():
    memory = InMemoryBus(At(NOW))
    memory.publish([event(alert(), at) for at in range(MAX_SEEN + 50)])
    one, printed = reader(memory)
    one.read_past(MAX_SEEN + 50)
    assert len(printed) == MAX_SEEN + 50
    assert next(one.iterate_live()) == []
    assert sum(map(len, one._seen.values())) == MAX_SEEN
