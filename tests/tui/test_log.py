"""The log screen under a pilot, on the in-memory engine."""

import asyncio
import threading

import msgspec
import pytest
from textual.drivers.headless_driver import HeadlessDriver

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.errors import EngineUnreachableError
from hemostat.events import Container, Evidence, State
from hemostat.ports import ContainerSpec
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext, Exports
from hemostat.tui.data.log_feed import LogFeed
from tests.support.clock import FakeClock
from tests.support.dashboard import says, screen, until
from tests.support.engine_fixtures import eventually
from tests.support.samples import NOW, alert, complete, event, stats


class Logs:
    """Containers with logs, and a dashboard that shows them."""

    def __init__(self, *names: str, project: str = "") -> None:
        self.clock = FakeClock(NOW)
        self.engine = InMemoryEngine(self.clock)
        self.bus = InMemoryBus(self.clock)
        self.containers: list[Container] = []
        self.opened: list[dict[str, object]] = []
        self._open, self.engine.open_log = self.engine.open_log, self.open_log
        for name in names or ("web",):
            labels = {"com.docker.compose.project": project, "com.docker.compose.service": name}
            spec = ContainerSpec(name=name, image="i", command=("c",), labels=labels if project else {})
            identity = self.engine.run(spec)
            self.containers.append(Container(id=identity, name=name, image="i", labels=spec.labels))

    def open_log(self, container: str, **options: object):
        self.opened.append(options)
        return self._open(container, **options)

    def write(self, name: str, *lines: str, seconds: float = 1.0) -> None:
        for line in lines:
            self.clock.advance(seconds)
            self.engine.write(name, log=line)

    def play(self, script, *keys: str, size=(80, 24), **options) -> None:
        now = self.clock.now() - NOW
        self.bus.publish_live([event(stats(container=each), now) for each in self.containers], ttl=600)

        async def run() -> None:
            model = DashboardContext(self.bus, self.clock, engine=lambda _: self.engine, **options)
            app = Dashboard(model)
            async with app.run_test(size=size, notifications=True) as pilot:
                await until(pilot, lambda: app.model.state.stats)
                await pilot.press(*(keys or ("L",)))
                await until(pilot, lambda: says(app, " log "))
                await script(app, pilot)

        asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("hemostat.tui.screens.log_data.UPDATE_SECONDS", 0.02)


def number(count: int, begin: int = 0) -> list[str]:
    return [f"INFO line {begin + n}." for n in range(count)]


def test_log_is_followed_and_says_so():
    logs = Logs()
    logs.write("web", *number(40))

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "following") and says(app, "line 39."))
        logs.write("web", "line new")
        await until(pilot, lambda: says(app, "line new"))

    logs.play(script)


def test_paused_log_stays_where_it_is_read():
    logs = Logs()
    logs.write("web", *number(100))

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "line 99."))
        await pilot.press("f")
        await until(pilot, lambda: says(app, "paused"))
        logs.write("web", *number(50, 100))
        await until(pilot, lambda: says(app, "150 lines"))
        assert says(app, "line 99.")
        assert not says(app, "line 149.")
        await pilot.press("f")
        await until(pilot, lambda: says(app, "line 149.") and says(app, "following"))

    logs.play(script)


def test_secrets_are_masked_and_controls_removed():
    logs = Logs()
    logs.write("web", "\x1b[2J\x1b[31mred [bold]x[/]", "password=hunter2")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "[redacted: password]"))
        assert says(app, "red [bold]x[/]")
        assert not says(app, "hunter2")
        await pilot.press("slash", *"hunter2", "enter")
        await until(pilot, lambda: says(app, "0 in these lines"))
        assert all(line.isprintable() for line in screen(app))

    logs.play(script)


def test_restarts_are_marked_and_a_key_goes_to_the_last_one():
    logs = Logs()
    logs.write("web", "before the crash")
    died, started = logs.clock.now() + 0.5, logs.clock.now() + 2.5
    logs.clock.advance(4)
    logs.write("web", *number(100))
    web = logs.containers[0]
    logs.bus.publish(
        [
            event(alert(container=web, since=died, evidence=(Evidence("exit_code", 7),)), died - NOW),
            event(
                complete(container=web, after=State(status="running", started_at=started)), started + 1 - NOW
            ),
        ]
    )

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "line 99.") and not says(app, "exit code 7"))
        await pilot.press("r")
        await until(pilot, lambda: says(app, "before the crash") and says(app, "── restarted"))
        assert says(app, ", exit code 7 ──")
        assert says(app, "101 lines")
        await pilot.press("r")
        await until(pilot, lambda: says(app, "no earlier restart is known"))

    logs.play(script)


def test_older_lines_are_loaded_at_the_top():
    logs = Logs()
    logs.write("web", *number(5000))

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "line 4999."))
        await pilot.press(*["pageup"] * 20)
        await until(pilot, lambda: says(app, "1,300 lines"))
        assert not says(app, "its beginning")
        await pilot.press("g")
        await until(pilot, lambda: says(app, "line 0.") and says(app, "its beginning"))
        assert says(app, "paused")
        await pilot.press("G")
        await until(pilot, lambda: says(app, "line 4999.") and says(app, "following"))

    logs.play(script)


def test_search_finds_the_match_in_older_lines():
    logs = Logs()
    logs.write("web", *number(10), "needle 1", *number(30_000, 10), "needle 2", *number(30_000), seconds=0.01)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "line 29999."))
        await pilot.press("slash", *"NEEDLE", "enter")
        await until(pilot, lambda: says(app, "needle 2") and says(app, "1 of 1 in these lines"))
        await pilot.press("N")
        await until(pilot, lambda: says(app, "needle 1") and says(app, "1 of 1 in these lines"))
        assert says(app, "its beginning")
        await pilot.press("n")
        await until(pilot, lambda: says(app, "needle 2"))
        await pilot.press("N", "N")
        await until(pilot, lambda: says(app, "no further match"))

    logs.play(script)


def test_times_and_wrap_are_switched():
    logs = Logs()
    logs.write("web", "x" * 100 + "end", "short")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "short") and says(app, "…"))
        assert not says(app, "end")
        await pilot.press("w")
        await until(pilot, lambda: says(app, "end") and says(app, "wrap"))
        await pilot.press("t")
        await until(pilot, lambda: says(app, "times"))
        assert any(line[2] == ":" and line.endswith("  short") for line in screen(app))

    logs.play(script)


def test_marked_containers_are_interleaved_by_time():
    logs = Logs("web", "db")
    logs.write("web", "one")
    logs.write("db", "two")
    logs.write("web", "three")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "three") and says(app, "two"))
        lines = [line.strip() for line in screen(app) if line.startswith(("web", "db"))]
        assert [line.split() for line in lines] == [["web", "one"], ["db", "two"], ["web", "three"]]

    logs.play(script, "asterisk", "L")


def test_project_key_adds_its_other_containers():
    logs = Logs("web", "db", project="shop")
    logs.write("web", "from web")
    logs.write("db", "from db")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "from "))
        await pilot.press("p")
        await until(pilot, lambda: says(app, "from web") and says(app, "from db"))
        assert says(app, "2 containers")
        await pilot.press("p")
        await until(pilot, lambda: not says(app, "2 containers"))

    logs.play(script)


def test_missing_engine_is_reported():
    logs = Logs()

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "no such container"))

    logs.engine.remove("web")
    logs.play(script)


def test_container_that_is_no_longer_reported_has_a_log():
    logs = Logs()
    logs.write("web", "one")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "one"))
        app.model.state = msgspec.structs.replace(app.model.state, stats={}, log=())
        await pilot.press("G")
        logs.write("web", "two")
        await until(pilot, lambda: says(app, "one") and says(app, "two"))

    logs.play(script)


def test_log_is_saved_masked_after_a_confirmed_name(tmp_path):
    logs = Logs()
    logs.write("web", "hello", "password=hunter2")
    file = tmp_path / "log-web.txt"

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "hello") and says(app, "redacted"))
        await pilot.press("s")
        await until(pilot, lambda: says(app, "Write the 2 lines in memory"))
        app.screen.query_one("#path").value = str(file)
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "written:"))

    logs.play(script, size=(120, 30))
    lines = file.read_text("utf-8").splitlines()
    assert [line[31:] for line in lines] == ["hello", "password=[redacted: password]"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("exports", [Exports.DOWNLOAD, Exports.NONE])
def test_log_in_a_page_is_downloaded_and_read_only_saves_nothing(exports, monkeypatch, tmp_path):
    delivered = []
    monkeypatch.setattr(
        HeadlessDriver,
        "deliver_binary",
        lambda _, file, *, save_path, **__: delivered.append((save_path.name, file.read())),
    )
    monkeypatch.chdir(tmp_path)
    logs = Logs("web", "db")
    logs.write("web", "hello")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "hello"))
        assert says(app, "s Save") is (exports is Exports.DOWNLOAD)
        await pilot.press("s")
        await pilot.pause(0.1)

    logs.play(script, "asterisk", "L", exports=exports, size=(140, 30))
    assert [name for name, _ in delivered] == (["log-db.txt"] if exports is Exports.DOWNLOAD else [])
    assert all(text.endswith("Z web hello\n") for _, text in delivered)
    assert list(tmp_path.iterdir()) == []


def test_engine_that_hangs_does_not_delay_the_log_of_another():
    logs, release, batches = Logs(), threading.Event(), []
    logs.write("web", "line of the other host")

    def find_engine(number: int):
        if number == 0:
            release.wait(60)
            raise EngineUnreachableError("the engine of the first host is away")
        return logs.engine

    feed = LogFeed(find_engine, [logs.containers[0].id] * 2, batches.append, every=0.02)
    feed.start()
    eventually(
        lambda: any("line of the other host" in line.text for batch in batches for line in batch.lines)
    )
    assert {batch.source for batch in batches} == {1}
    release.set()
    eventually(lambda: any("first host is away" in batch.why for batch in batches if batch.source == 0))
    feed.stop()
