"""Lines of a log: levels, masks, pages and what is in memory."""

import time

import pytest
from rich.cells import cell_len

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.ports import ContainerSpec
from hemostat.tui.data.log_lines import CONTEXT_LINES, LogLine, find_level, mask_lines, split_blocks
from hemostat.tui.data.log_pages import (
    LogAccess,
    StoppedError,
    read_after,
    read_before,
    read_start,
)
from hemostat.tui.data.log_search import find_after, find_before, has_match
from hemostat.tui.data.log_window import LogWindow
from hemostat.tui.render.log import LogLook, LogRows, draw_line
from tests.support.clock import FakeClock
from tests.support.dashboard import HOSTILE
from tests.support.samples import NOW


def raw(*texts: str) -> list[bytes]:
    return [f"2026-11-24T00:26:00.{number:09d}Z {text}".encode() for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("level=error msg=x", "E"),
        ('{"time":"x","level":"warn","msg":"error"}', "W"),
        ('{"level":50,"msg":"x"}', "E"),
        ("2026-11-24 [ERROR] no", "E"),
        ("[Sun Nov 24] [core:error] [pid 1]", "E"),
        ("2026-11-24 00:26:00 E cannot open", "E"),
        ("E1124 00:26:00.000000 1 main.go:1] x", "E"),
        ("2026-11-24T00:26:00Z INFO started", "I"),
        ("DEBUG:root:x", "D"),
        ("error: cannot open", "E"),
        ("1:M 24 Nov 2026 * Ready", ""),
        ("no errors were found", ""),
        ("Plan E is better", ""),
        ("", ""),
    ],
)
def test_level_is_found_by_its_shape(text, level):
    assert find_level(text) == level


@pytest.mark.parametrize("body", [45, 193])
def test_key_over_several_blocks_is_masked(body):
    key = [
        "-----BEGIN RSA PRIVATE KEY-----",
        *["MIIEpAIBAAKCAQEA" + "b" * 48] * body,
        "-----END RSA PRIVATE KEY-----",
    ]
    for begin in range(0, 70, 7):
        lines = raw(*["before"] * begin, *key, *["after"] * 30)
        texts = [line.text for line in mask_lines(lines)]
        assert "MIIE" not in "".join(texts)
        assert texts.count("after") == 30
        at = begin + body - 25
        later = mask_lines(lines[at:], lines[:at])
        assert "MIIE" not in "".join(line.text for line in later)


def test_lines_after_a_mask_keep_their_times():
    lines = raw("one", "-----BEGIN RSA PRIVATE KEY-----", "A" * 64, "-----END RSA PRIVATE KEY-----", "two")
    masked = mask_lines(lines)
    assert [line.text for line in masked] == ["one", "[redacted: private key]", "two"]
    assert masked[-1].stamp.encode() == lines[-1][:30]


def test_line_is_cut_after_masking():
    [line] = mask_lines(raw("x" * 1990 + " password=hunter2hunter2 " + "y" * 3000))
    assert "hunter" not in line.text
    assert line.text.endswith("[the rest of this line is left out]")


def test_masked_text_is_not_found():
    block = raw(*["nothing"] * 20, *["password=hunter2"] * 9)
    assert not has_match(block, "hunter2")
    assert has_match(block, "PASSWORD")
    assert has_match(raw("\x1b[31mre\x1b[0md"), "red")


SECRET_BEFORE_ITS_NAME = ("  - value: hunter2hunter2", "    name: DB_PASSWORD")
SECRET_IN_A_LIST = ("passwords:", *["  - hunter2hunter2"] * 50)


@pytest.mark.parametrize("secret", [SECRET_BEFORE_ITS_NAME, SECRET_IN_A_LIST])
@pytest.mark.parametrize("begin", [0, 57, 58, 59])
def test_search_does_not_find_what_other_lines_mask(secret, begin):
    lines = raw(*["before"] * begin, *secret, "after")
    assert not any("hunter2" in line.text for line in mask_lines(lines))
    assert not has_match(lines, "hunter2")
    assert not has_match(lines[: begin + 1], "hunter2", (), lines[begin + 1 :])


def test_value_at_the_end_of_a_page_is_masked_by_the_name_after_it():
    engine = InMemoryEngine(FakeClock(NOW))
    engine.run(ContainerSpec(name="web", image="i", command=("c",), labels={}))
    for text in (*["before"] * 398, *SECRET_BEFORE_ITS_NAME, *["after"] * 9):
        engine.clock.advance(0.01)
        engine.write("web", log=text)
    lines = list(engine.open_log("web"))
    first, name, end = (lines[number][:30].decode() for number in (0, 399, -1))
    value = next(number for number, line in enumerate(lines) if b"hunter2" in line)
    pages = [
        read_before(LogAccess(engine, "web"), name, 1),
        read_after(LogAccess(engine, "web"), first, value),
        read_start(LogAccess(engine, "web"), value + 1),
    ]
    for page in pages:
        assert b"hunter2" in page.lines[-1]
        assert "hunter2" not in "".join(line.text for line in page.mask(0))
    # The term is in a line that is masked by the first line of the next block, or after the end.
    for search in (
        lambda term: find_before(LogAccess(engine, "web"), name, 1, term, lambda *_: None),
        lambda term: find_before(LogAccess(engine, "web"), end, 1, term, lambda *_: None),
        lambda term: find_after(LogAccess(engine, "web"), first, term, lambda *_: None),
    ):
        assert search("before") is not None
        assert search("hunter2") is None


def test_long_lines_are_masked_in_short_blocks():
    lines = raw(*["x" * 5000] * 200)
    begin = time.process_time()
    assert len(mask_lines(lines[100:], lines[:100])) == 100
    blocks = list(split_blocks([" " * 5000] * 30, 2, 30))
    assert blocks == [(number, min(number + 4, 30)) for number in range(2, 30, 4)]
    assert time.process_time() - begin < 20


class RotatedLog(InMemoryEngine):
    """A log that begins with another line at each reading."""

    opened = 0

    def open_log(self, container, **options):
        self.opened += 1
        return [f"2026-11-24T00:{self.opened:02}:30.000000000Z x".encode()]


def test_reading_older_lines_of_a_rotated_log_ends():
    engine = RotatedLog(FakeClock(NOW))
    page = read_before(LogAccess(engine, "web"), "2026-11-24T00:00:00.000000000Z", 1)
    assert (page.lines, page.at_start) == ([], True)
    assert engine.opened < 30


@pytest.fixture
def engine():
    engine = InMemoryEngine(FakeClock(NOW))
    engine.run(ContainerSpec(name="web", image="i", command=("c",), labels={}))
    for number in range(9000):
        engine.clock.advance(0.01)
        engine.write("web", log=f"line {number}")
    return engine


def text_of(line: bytes) -> str:
    return line[31:].decode()


def test_pages_backwards_have_every_line_once(engine):
    lines = list(engine.open_log("web"))
    stamp, depth, read = lines[-1][:30].decode(), 1, []
    while True:
        page = read_before(LogAccess(engine, "web"), stamp, depth)
        read = page.lines + read
        if page.at_start:
            break
        assert len(page.before) >= CONTEXT_LINES or page.lines[0] == lines[0]
        stamp, depth = page.lines[0][:30].decode(), page.depth
    assert read == lines[:-1]


def test_page_is_complete_when_the_log_has_grown(engine):
    lines = list(engine.open_log("web"))
    for number in range(5000):
        engine.write("web", log=f"new {number}")
    page = read_before(LogAccess(engine, "web"), lines[8000][:30].decode(), 1000)
    assert page.lines == lines[7000:8000]


def test_page_forward_continues_after_the_line(engine):
    lines = list(engine.open_log("web"))
    page = read_after(LogAccess(engine, "web"), lines[8500][:30].decode())
    assert (page.lines, page.at_end) == (lines[8501:], True)


def test_search_backwards_stops_at_the_last_match(engine):
    lines, told = list(engine.open_log("web")), []
    page = find_before(
        LogAccess(engine, "web"), lines[-1][:30].decode(), 1, "line 77", lambda *at: told.append(at)
    )
    last = [text_of(line) for line in page.lines if b"line 77" in line][-1]
    assert last == "line 7799"
    assert told
    assert (
        find_before(LogAccess(engine, "web"), lines[-1][:30].decode(), 1, "absent", lambda *_: None) is None
    )


def test_stopped_access_reads_no_further(engine):
    access = LogAccess(engine, "web")
    access.stop()
    with pytest.raises(StoppedError):
        read_before(access, "2030-01-01T00:00:00.000000000Z", 0)


def lines_of(source: int, *times: int) -> list[LogLine]:
    return [LogLine(f"2026-11-24T00:{time:02}:00.000000000Z", str(time), "", source) for time in times]


def test_lines_before_the_known_part_of_another_log_are_hidden():
    window = LogWindow(2)
    window.append(lines_of(0, 1, 5, 9))
    window.append(lines_of(1, 7, 8))
    assert [line.text for line in window.lines[window.begin :]] == ["7", "8", "9"]
    assert window.find_source_to_extend() == 1
    window.prepend(1, lines_of(1, 3, 4), 4, at_start=True)
    assert [line.text for line in window.lines[window.begin :]] == ["1", "3", "4", "5", "7", "8", "9"]
    assert not window.is_whole


def test_memory_is_bounded_at_both_ends():
    window = LogWindow(1, max_lines=20)
    window.append(lines_of(0, *range(30, 55)))
    assert [line.text for line in window.lines] == [str(time) for time in range(37, 55)]
    assert window.get_first(0) == window.lines[0].stamp
    window.prepend(0, lines_of(0, *range(20, 37)), 35, at_start=True)
    assert [line.text for line in window.lines] == [str(time) for time in range(20, 38)]
    assert not window.at_end


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("width", [20, 80])
def test_hostile_lines_fit_and_are_escaped(wrap, width):
    lines = mask_lines(raw(*(text.replace("\n", " ") for text in HOSTILE)))
    rows = LogRows(lines, LogLook(width, ("[bold]a\x1b", "b"), stamps=True, wrap=wrap, term="n"))
    for row in range(len(rows)):
        text = rows.draw(row)
        assert text.plain.isprintable()
        assert not wrap or text.cell_len <= max(width, 40)


def test_match_beyond_the_edge_is_made_visible():
    line = LogLine("2026-11-24T00:00:00.000000000Z", "x" * 500 + "needle" + "y" * 500)
    text = draw_line(line, LogLook(80, ("web",), term="needle")).plain
    assert "needle" in text[:80]


@pytest.mark.parametrize("text", ["中é\u0302文" * 500, "é" * 2000, "中" * 2000, "x" * 19 + "中" * 2000])
def test_wide_characters_wrap_as_rich_measures_them(text):
    line = LogLine("2026-11-24T00:00:00.000000000Z", text)
    rows = LogRows([line], LogLook(22, ("web",), wrap=True))
    drawn = [rows.draw(row).plain[2:] for row in range(len(rows))]
    assert "".join([drawn[0], *(row[2:] for row in drawn[1:])]) == text
    assert all(cell_len(row) <= 20 for row in drawn)
    assert all(cell_len(row) >= 19 for row in drawn[:-1])


def test_rows_of_wide_lines_are_counted_once():
    lines = [LogLine("2026-11-24T00:00:00.000000000Z", "中" * 2000) for _ in range(400)]
    look = LogLook(120, ("web",), wrap=True)
    begin = time.process_time()
    rows = LogRows(lines, look)
    for _ in range(100):
        rows = LogRows(lines[1:], look, rows)
        lines = [*lines[1:], lines[0]]
    assert time.process_time() - begin < 10
    assert len(LogRows(lines, LogLook(60, ("web",), wrap=True), rows)) > len(LogRows(lines, look, rows))
