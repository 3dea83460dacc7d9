"""Saving all that the engine has of a log: masked, bounded in memory, and whole or not at all."""

import threading
import tracemalloc

import pytest

from hemostat.tui.context import Exports
from hemostat.tui.data.log_lines import mask_lines
from hemostat.tui.data.log_save import LogSave, SavePlan, mask_stream
from tests.support.dashboard import says, until
from tests.tui.test_log import Logs, number

STAMP = "2026-11-24T{:02d}:{:02d}:{:02d}.{:09d}Z"


def make_lines(count: int, text: str = "line {}"):
    for each in range(count):
        seconds, part = divmod(each, 1000)
        stamp = STAMP.format(seconds // 3600, seconds // 60 % 60, seconds % 60, part)
        yield f"{stamp} {text.format(each)}".encode()


END_STAMP = b"2026-11-25"


class Streams:
    """An engine with logs that are given line by line."""

    def __init__(self, *logs) -> None:
        self.logs = logs

    def open_log(self, container: str, *, tail=None, since=0.0, follow=False):
        lines = list(self.logs[int(container)]())[-1:] if tail == 1 else self.logs[int(container)]()
        return Stream(lines)


class Stream:
    def __init__(self, lines) -> None:
        self._lines = iter(lines)

    def __iter__(self):
        yield from self._lines

    def close(self) -> None:
        pass


def save(path, *logs, heads=("",), replace=False):
    """The number of lines and the error."""
    ended, results = threading.Event(), []

    def end(_, count, why):
        results.append((count, why))
        ended.set()

    plan = SavePlan([str(each) for each in range(len(logs))], heads, path, replace)
    LogSave(lambda _: Streams(*logs), plan, lambda *_: None, end)
    assert ended.wait(60)
    return results[0]


def test_masked_stream_equals_the_masked_whole():
    lines = list(make_lines(1500))
    lines[239] = lines[239][:31] + b"aws_secret_access_key ="
    lines[240] = lines[240][:31] + b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    lines[483] = lines[483][:31] + b"password=hunter2"
    streamed = [line.text for line in mask_stream(lines, END_STAMP)]
    assert streamed == [line.text for line in mask_lines(lines)]
    assert "hunter2" not in "".join(streamed)


def test_stream_ends_at_the_newest_line_of_its_begin():
    lines = list(make_lines(2000))
    assert len(list(mask_stream(lines, lines[999][:30]))) == 1000


def test_memory_does_not_grow_with_the_log():
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in mask_stream(make_lines(count, "x" * 400 + " {}"), END_STAMP)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(500)
    assert peak(4000) < 1.3 * peak(1000)


def test_logs_of_several_containers_are_merged_by_time(tmp_path):
    even = lambda: (line for n, line in enumerate(make_lines(1000)) if n % 2 == 0)  # noqa: E731
    odd = lambda: (line for n, line in enumerate(make_lines(1000)) if n % 2)  # noqa: E731
    assert save(tmp_path / "x", even, odd, heads=(" a", " b")) == (1000, "")
    lines = (tmp_path / "x").read_text().splitlines()
    assert [line[31:] for line in lines[:3]] == ["a line 0", "b line 1", "a line 2"]
    assert lines == sorted(lines)


def test_full_disk_is_one_line_and_leaves_no_file(tmp_path, monkeypatch):
    from hemostat import output_file

    real = output_file.os.fdopen

    def full(descriptor, mode):
        file = real(descriptor, mode)
        return Full(file)

    class Full:
        def __init__(self, file) -> None:
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(output_file.os, "fdopen", full)
    path = tmp_path / "x"
    assert save(path, lambda: make_lines(5)) == (0, f"{path}: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")

    def broken():
        yield from make_lines(5)
        raise OSError(5, "Input/output error")

    class Once:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self):
            self.calls += 1
            return make_lines(5) if self.calls == 1 else broken()

    assert "Input/output error" in save(path, Once(), replace=True)[1]
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_key_saves_all_lines_also_those_that_are_not_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("hemostat.tui.data.log_feed.FIRST_LINES", 50, raising=False)
    logs = Logs()
    logs.write("web", *number(3000), "password=hunter2", seconds=0.001)
    file = tmp_path / "all.txt"

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "redacted"))
        await pilot.press("S")
        await until(pilot, lambda: says(app, "Write all that the engine has of the log"))
        app.screen.query_one("#path").value = str(file)
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "written:") and says(app, "3,001 lines"))

    logs.play(script, size=(140, 30))
    lines = file.read_text("utf-8").splitlines()
    assert lines[0].endswith("Z INFO line 0.")
    assert lines[-1].endswith("password=[redacted: password]")
    assert len(lines) == 3001
    assert file.stat().st_mode & 0o777 == 0o600


def test_escape_stops_the_save_and_removes_the_file(tmp_path):
    logs, going = Logs(), threading.Event()
    logs.write("web", *number(10))
    open_log = logs.engine.open_log

    class Slow:
        def __init__(self, stream) -> None:
            self.stream = stream

        def __iter__(self):
            yield from self.stream
            going.set()
            while not self.stopped:
                threading.Event().wait(0.01)

        stopped = False

        def close(self) -> None:
            self.stopped = True
            self.stream.close()

    def slow(container, **options):
        stream = open_log(container, **options)
        return stream if options else Slow(stream)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "line 9."))
        logs.engine.open_log = slow
        await pilot.press("S")
        await until(pilot, lambda: says(app, "Write all"))
        app.screen.query_one("#path").value = str(tmp_path / "x")
        await pilot.press("enter")
        await until(pilot, lambda: going.is_set() and says(app, "esc stops"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "no file was written") and says(app, " log "))
        await until(pilot, lambda: list(tmp_path.iterdir()) == [])

    logs.play(script, size=(140, 30))


def test_existing_file_is_replaced_after_a_second_enter(tmp_path):
    logs = Logs()
    logs.write("web", "hello")
    (tmp_path / "x").write_text("old")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "hello"))
        await pilot.press("S")
        await until(pilot, lambda: says(app, "Write all"))
        app.screen.query_one("#path").value = str(tmp_path / "x")
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "exists"))
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "written:"))

    logs.play(script, size=(140, 30))
    assert (tmp_path / "x").read_text().endswith("hello\n")


@pytest.mark.parametrize("exports", [Exports.DOWNLOAD, Exports.NONE])
def test_whole_log_is_not_saved_on_the_disk_of_a_server(exports):
    logs = Logs()
    logs.write("web", "hello")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "hello"))
        await pilot.press("S")
        await pilot.pause(0.2)
        assert not says(app, "Write all")

    logs.play(script, exports=exports)
