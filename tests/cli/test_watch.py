"""`hemostat watch`: one plain line for each change, with words instead of signs."""

import json
import re
import signal
import time

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.cli.dashboard.watch import Watcher, WatchOutput
from hemostat.cli.dashboard.watch_summary import WatchFilter
from hemostat.core.history.sentences import format_event_line
from hemostat.errors import BusUnreachableError
from hemostat.events import Container, Kind, Outcome, Reason, State
from hemostat.json_output import format_iso
from tests.support.samples import NOW, alert, complete, decided, event, heartbeat, needed, stats

EVERYTHING = WatchFilter()
DB = Container(id="c2", name="db")
EXITED = State(status="exited", exit_code=3)


class At:
    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


class Scripted(InMemoryBus):
    """Each subscription yields what the script has for it, a second after the other, then it is lost."""

    def __init__(self, clock, *script) -> None:
        super().__init__(clock)
        self._at = clock
        self._script = list(script)

    def subscribe(self, streams, *, timeout):
        if not self._script:
            raise BusUnreachableError("refused")
        yield None
        for each in self._script.pop(0):
            self._at.time += 1
            yield each
        raise BusUnreachableError("gone")


def watch(bus, clock, *, chosen=EVERYTHING, rounds=1, bell=False, as_json=False):
    watcher = Watcher(bus, WatchOutput(chosen, as_json=as_json, bell=bell), clock.now)
    watcher.begin()
    for _ in range(rounds):
        watcher.follow()


def print_lines(capsys):
    """The lines without the date and their times."""
    lines = capsys.readouterr().out.splitlines()
    return [line[9:] for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)]


def test_transitions_and_events_are_lines_in_words(capsys):
    clock = At()
    story = [
        event(stats(), 1),
        event(stats(cpu=90.0), 2),
        event(stats(state=EXITED), 3),
        event(alert(), 3),
        event(needed(), 3.1),
        event(complete(), 4),
        event(decided(), 5, incident=None),
    ]
    watch(Scripted(clock, story), clock)
    assert print_lines(capsys)[:-1] == [
        "web: new: running, healthy",
        "web: exited with code 3",
        *(f"web: {format_event_line(each)}" for each in story[3:6]),
        f"all containers: {format_event_line(story[6])}",
    ]


def test_lost_connection_and_its_return_are_told_once_each(capsys):
    clock = At()
    heard, missed = event(alert(), 1), event(needed(), 20)
    bus = Scripted(clock, [], [heard])
    watcher = Watcher(bus, WatchOutput(WatchFilter(), as_json=False, bell=False), clock.now)
    watcher.begin()
    watcher.follow()
    bus._script, kept = [], bus._script
    watcher.follow()
    clock.time += 30
    watcher.follow()
    bus.publish([missed])
    bus._script = kept
    watcher.follow()
    lines = print_lines(capsys)
    assert lines[:2] == [
        "connection: lost, nothing is known until it is back: gone",
        "connection: back after 30 s",
    ]
    assert sorted(lines[2:4]) == sorted(f"web: {format_event_line(each)}" for each in (heard, missed))
    assert sum(line.startswith("connection: lost") for line in lines) == 2


def test_permanent_error_ends_the_command():
    class Refusing(InMemoryBus):
        def subscribe(self, streams, *, timeout):
            raise BusUnreachableError("wrong password", transient=False)

    with pytest.raises(BusUnreachableError):
        watch(Refusing(At()), At())


def test_repeated_lines_of_a_flapping_container_are_joined(capsys):
    clock = At()
    story = [event(alert(occurrence=number + 1), number) for number in range(60)]
    watch(Scripted(clock, [*story, None, None]), clock)
    assert print_lines(capsys)[:3] == [
        "web: exited with code 1",
        "web: exited with code 1 (2nd time)",
        "web: same again 58 times in 1 min: exited with code 1 (60th time)",
    ]


def test_every_request_for_approval_is_a_line(capsys):
    clock = At()
    asked = complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL, detail="restart?")
    watch(Scripted(clock, [event(asked, 1), event(asked, 2)]), clock)
    assert len([line for line in print_lines(capsys) if "restart?" in line]) == 2


@pytest.mark.parametrize(
    ("chosen", "subjects"),
    [
        (WatchFilter(), ["h/web", "g/db", "role monitor on h", "role alert on g"]),
        (WatchFilter(container="db"), ["g/db", "role monitor on h", "role alert on g"]),
        (WatchFilter(host="h"), ["h/web", "role monitor on h"]),
        (WatchFilter(host="g", container="web"), ["role alert on g"]),
    ],
)
def test_lines_are_chosen_by_host_and_container(capsys, chosen, subjects):
    clock = At()
    bus = Scripted(
        clock,
        [
            event(alert(container=DB), 1, host="g"),
            event(alert(), 1),
            event(alert(container=DB, kind=Kind.OOM), 2, host="g"),
            event(heartbeat("monitor"), 3),
            event(heartbeat("alert"), 4, host="g"),
        ],
    )
    watch(bus, clock, chosen=chosen)
    told = [line.partition(": ")[0] for line in print_lines(capsys)]
    assert [each for each in dict.fromkeys(told) if each not in {"connection", "db"}] == subjects


def test_hostile_names_are_escaped(capsys):
    clock = At()
    hostile = Container(id="c", name="a\x1b[2Jb\nc\u202e")
    watch(Scripted(clock, [event(alert(container=hostile), 1)]), clock)
    assert r"a\x1b[2Jb\nc\u202e: exited" in print_lines(capsys)[0]


def test_bell_rings_only_for_what_needs_a_person(capsys):
    clock = At()
    story = [event(complete(), 1), event(complete(outcome=Outcome.ESCALATED), 2)]
    watch(Scripted(clock, story), clock, bell=True)
    assert [line.endswith("\a") for line in print_lines(capsys)] == [False, True, True]


def test_json_is_one_object_for_each_change(capsys):
    clock = At()
    watch(Scripted(clock, [event(alert(), 1)]), clock, as_json=True)
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {
        "time": NOW + 1,
        "time_iso": format_iso(NOW + 1),
        "host": "h",
        "subject": "web",
        "what": "health_alert",
        "text": "exited with code 1",
        "needs_person": False,
        "is_single": False,
    }


def test_demo_prints_changes_without_signs_and_ends(hemostat):
    result = hemostat("watch", "--demo")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].startswith("replay demo: ")
    assert len(lines) > 50
    assert result.out.isascii()
    assert "\x1b" not in result.out


def test_demo_and_replay_cannot_be_combined(hemostat):
    assert hemostat("watch", "--demo", "--replay", "x").code == 2


@pytest.mark.redis
def test_summary_comes_first_then_changes_and_ctrl_c_exits_130(spawn, bus):
    now = time.time() - NOW
    bus.publish(
        [event(alert(), now - 5), event(complete(outcome=Outcome.ESCALATED, reason=Reason.NEEDS_PERSON), now)]
    )
    bus.publish([event(decided(), now, incident=None)])
    bus.publish_live([event(heartbeat("responder", mode="approve"), now), event(stats(), now)], ttl=30)
    process = spawn("watch")
    head = [process.stdout.readline() for _ in range(2)]
    assert head[0].startswith("1 open incident, 1 container, 1 role running, mode approve")
    assert head[1].startswith("open incident: web, escalated, for ")
    assert "settle it with: hemostat close i1" in head[1]
    waiting = [process.stdout.readline() for _ in range(3)]
    assert all(line.startswith("waits for you: role, ") for line in waiting)
    time.sleep(0.5)
    bus.publish([event(alert(container=DB), now + 1, incident="i2")])
    assert process.stdout.readline().startswith("date: ")
    assert process.stdout.readline().endswith(" db: exited with code 1\n")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


@pytest.mark.redis
def test_missing_redis_exits_with_3(hemostat):
    assert hemostat("watch", "--set", "redis.url=redis://127.0.0.1:1").code == 3
