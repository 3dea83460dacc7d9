"""`hemostat record`, and what `hemostat tui` plays."""

import signal
import threading

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.replay_file import read_replay
from hemostat.cli.dashboard.record import FIRST_EVENT_COUNT, ReplayRecorder, read_remembered
from hemostat.cli.dashboard.tui import find_demo_file
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.replay import encode_header, parse
from hemostat.errors import BusUnreachableError
from hemostat.events import DURABLE, TYPES
from tests.support.clock import FakeClock
from tests.support.samples import ALL, NOW, alert, event, heartbeat, stats

TOLD = [each for each in ALL if each.type in DURABLE]


class Page:
    """Where a recording is written to, in memory."""

    is_full = False

    def __init__(self, begin: float = NOW) -> None:
        self.lines = [encode_header("h", begin)]

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def flush(self) -> None:
        """It is written."""

    def heard(self):
        return list(parse(self.lines).iterate_between(0, 1e11, tuple(TYPES)))


class Script(InMemoryBus):
    """What is said while somebody listens, connection by connection; at its end the listener is stopped."""

    def __init__(self, stop: threading.Event, *script) -> None:
        super().__init__(FakeClock(NOW + 9))
        self._stop = stop
        self._script = list(script)

    def subscribe(self, streams, *, timeout):
        yield None
        for each in self._script.pop(0):
            if each.type in DURABLE:
                self.publish([each])
            else:
                self.publish_live([each], ttl=60)
            yield each
        if not self._script:
            self._stop.set()
            yield None
        raise BusUnreachableError("gone")


def record(*script, past=(), begin=NOW):
    stop, page = threading.Event(), Page()
    bus = Script(stop, *script)
    bus.publish([each for each in past if each.type in DURABLE])
    bus.publish_live([each for each in past if each.type not in DURABLE], ttl=60)
    ReplayRecorder(bus, FakeClock(NOW + 9), page, stop, begin).record_live(None)
    return page.heard()


def test_past_and_new_events_are_written_once():
    assert record(ALL[3:], past=ALL[:3]) == list(ALL)


def test_last_values_are_recorded():
    values = [event(stats(), 1.0), event(heartbeat(), 2.0)]
    assert record([], past=values) == values


def test_events_missed_during_a_reconnect_are_recorded(monkeypatch, capsys):
    monkeypatch.setattr("hemostat.cli.dashboard.record.RETRY_SECONDS", 0.0)
    assert record(ALL[:2], ALL[3:], past=[]) == [*ALL[:2], *ALL[3:]]
    assert "connection lost: gone: reconnecting" in capsys.readouterr().err


def test_recording_ends_at_its_duration_and_size_limit(capsys):
    bus, stop, page = InMemoryBus(FakeClock(NOW)), threading.Event(), Page()
    ReplayRecorder(bus, FakeClock(NOW + 9), page, stop, NOW).record_live(NOW + 5)
    page.is_full = True
    ReplayRecorder(bus, FakeClock(NOW), page, stop, NOW).record_live(None)
    assert "has reached its maximum size" in capsys.readouterr().err


def test_streams_are_recorded_from_the_beginning():
    """More than the dashboard's log holds, where there was more."""
    bus = InMemoryBus(FakeClock(NOW))
    bus.publish([event(alert(since=NOW + n), n) for n in range(5 * FIRST_EVENT_COUNT)])
    assert len(read_remembered(bus, NOW + 3)) == 5 * FIRST_EVENT_COUNT
    assert (
        FIRST_EVENT_COUNT
        <= len(read_remembered(bus, NOW + 5 * FIRST_EVENT_COUNT - 3))
        < 2 * FIRST_EVENT_COUNT
    )


@pytest.mark.redis
def test_ctrl_c_leaves_a_complete_file(spawn, bus, tmp_path):
    file = tmp_path / "a.jsonl.gz"
    bus.publish(TOLD[:1])
    process = spawn("record", str(file))
    assert "recording to" in process.stderr.readline()
    while not file.stat().st_size:
        bus.publish(TOLD[1:])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    told = read_replay(file)
    assert told.notes == ()
    assert list(told.iterate_between(0, 1e11, DURABLE))[:1] == TOLD[:1]
    assert f"{len(told)} events in" in err


@pytest.mark.redis
def test_recording_of_the_past_ends_by_itself(hemostat, bus, tmp_path):
    bus.publish(TOLD)
    file = tmp_path / "a.jsonl"
    told = hemostat("record", str(file), "--since", "1000d", "--json")
    assert told.code == 0
    assert told.json == {"path": str(file), "events": len(TOLD)}
    assert list(read_replay(file).iterate_between(0, 1e11, DURABLE)) == TOLD


@pytest.mark.redis
def test_existing_file_is_not_overwritten(hemostat, bus, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("mine")
    told = hemostat("record", str(file), "--since", "1h")
    assert (told.code, file.read_text()) == (2, "mine")
    assert told.err.strip().endswith("already exists: --force overwrites it")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("record", "a", "--since", "soon"), 2, "is not a duration"),
        (("tui", "--replay", "/none", "--since", "2h"), 2, "cannot be combined"),
        (("tui", "--allow-actions"), 2, "add --web"),
        (("tui", "--served", "1", "--replay", "/none"), 2, "/none cannot be read: No such file"),
    ],
)
def test_invalid_arguments_are_one_line(hemostat, monkeypatch, arguments, code, why):
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
    told = hemostat(*arguments)
    assert (told.code, told.err.count("\n")) == (code, 1)
    assert why in told.err


def test_damaged_replay_file_is_reported_in_one_line(hemostat, monkeypatch, tmp_path):
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
    file = tmp_path / "a.jsonl"
    file.write_bytes(encode_header("h", NOW) + b"x\n")
    told = hemostat("tui", "--served", "1", "--replay", str(file))
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "cannot be played: line 2 is damaged" in told.err


def test_demo_has_a_healed_and_an_escalated_incident():
    told = read_replay(find_demo_file())
    assert told.notes == ()
    assert 60 < told.end - told.begin < 600
    states = {each.status for each in build_incident_logs(told.iterate_between(0, told.end, DURABLE))}
    assert {"healed", "escalated"} <= states
    middle = (told.begin + told.end) / 2
    assert len(told.find_last_values("container_stats", middle)) >= 5
    assert {each.source.partition("@")[0] for each in told.find_last_values("heartbeat", middle)} == {
        "monitor",
        "analyzer",
        "responder",
        "alert",
    }


def test_demo_file_is_small_and_anonymous():
    assert find_demo_file().stat().st_size < 200_000
    told = read_replay(find_demo_file())
    assert {each.host for each in told.iterate_between(0, told.end, tuple(TYPES))} == {"ops-1"}


@pytest.fixture
def opened(monkeypatch):
    """The models that dashboards are opened on."""
    models = []
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
    monkeypatch.setattr("hemostat.tui.run", lambda model: models.append(model) or 0)
    return models


@pytest.mark.redis
def test_replay_of_the_streams_starts_at_the_given_age(hemostat, bus, opened):
    bus.publish(TOLD)
    assert hemostat("tui", "--served", "1", "--since", "1000d").code == 0
    replay = opened[0].replay
    assert replay.name == "last 1000 d"
    assert replay.recording.end == TOLD[-1].time
    assert list(replay.recording.iterate_between(0, 1e11, DURABLE)) == TOLD


@pytest.mark.redis
def test_empty_streams_are_reported(hemostat, bus, opened):
    told = hemostat("tui", "--served", "1", "--since", "2h")
    assert (told.code, opened) == (2, [])
    assert "the streams contain no events yet: hemostat tui --demo" in told.err


def test_replay_is_read_only_and_offline(hemostat, opened):
    """It needs neither Docker nor Redis, and reaches neither."""
    assert hemostat("tui", "--served", "1", "--demo").code == 0
    model = opened[0]
    assert (model.act, model.engine("h"), model.safety, list(model.evidence("i"))) == (None, None, None, [])
