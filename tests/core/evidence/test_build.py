"""A dossier is bounded and holds no secret, whatever it is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.evidence.build import (
    CUT_NOTE,
    LINE_CUT_NOTE,
    MAX_LOG_BYTES,
    MAX_SNAPSHOT_BYTES,
    build_log_tail,
    build_snapshot,
)
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun, MetricPoint, decode, encode
from hemostat.core.model import ContainerInfo
from hemostat.errors import DecodeError
from hemostat.events import Evidence
from tests.support.samples import NOW, WEB, alert, needed

DEAD = ContainerInfo(ref=WEB, status="exited", exit_code=1)
SECRET = "hunter2-and-more"  # noqa: S105 - nobody's
DETAILS = ContainerDetails(
    command=("serve", "--password", SECRET),
    environment={"DB_PASSWORD": SECRET, "CACHE": f"redis://:{SECRET}@cache:6379", "MODE": "fast"},
    checks=(HealthcheckRun(time=NOW, exit_code=1, output=f"token={SECRET} refused"),),
    error=f"bad api_key: {SECRET}",
)
text = st.text(max_size=3000)


def test_every_part_is_stored_and_read_back():
    made = build_snapshot(
        needed(),
        DEAD,
        now=NOW,
        log="starting\nout of cheese\n",
        processes=["serve"],
        details=DETAILS,
        samples=[MetricPoint(NOW, 12.5, 1 << 20)],
        missing={"top": "it is not running"},
    )
    assert decode(encode(made)) == made
    assert (made.state, made.log, made.processes) == (DEAD.state, "starting\nout of cheese\n", ("serve",))
    assert made.evidence == (Evidence("exit_code", 1.0),)
    assert made.left_out == ()


def test_secrets_of_all_parts_are_masked():
    request = needed(alert=alert(evidence=(Evidence("probe", f"http://u:{SECRET}@web/ failed"),)))
    made = build_snapshot(
        request,
        DEAD,
        now=NOW,
        log=f"PASSWORD={SECRET}",
        processes=[f"mysql -p{SECRET}"],
        details=DETAILS,
        missing={"samples": f"redis://:{SECRET}@h is away"},
    )
    raw = encode(made).decode()
    assert SECRET not in raw
    assert made.details is not None
    assert made.details.environment["MODE"] == "fast"


def test_coloured_secret_is_masked():
    assert (
        build_log_tail("\x1b[31mpassword\x1b[0m=\x1b[1mhunter2\x1b[0m", 1000)
        == "password=[redacted: password]"
    )


def test_long_log_loses_its_start():
    log = "".join(f"line {number}\n" for number in range(10_000))
    end = build_log_tail(log, MAX_LOG_BYTES)
    assert end.startswith(CUT_NOTE + "line ")
    assert end.endswith("line 9999\n")
    assert MAX_LOG_BYTES // 2 < len(end) <= MAX_LOG_BYTES


def test_log_of_one_long_line_is_cut():
    assert build_log_tail("token=" + "a1" * 500_000, MAX_LOG_BYTES) == "token=[redacted: token]"


def test_line_of_a_megabyte_is_cut_with_a_mark():
    end = build_log_tail("before\n" + "x" * 1_000_000 + "\nafter\n", MAX_LOG_BYTES)
    assert end == f"before\n{'x' * 2000}{LINE_CUT_NOTE}\nafter\n"
    assert build_log_tail(end, MAX_LOG_BYTES) == end


def test_first_of_many_long_lines_are_dropped():
    end = build_log_tail("".join(f"{number} {'x' * 9000}\n" for number in range(300)), MAX_LOG_BYTES)
    assert end.startswith(CUT_NOTE)
    assert end.endswith(f"x{LINE_CUT_NOTE}\n")
    assert len(end) <= MAX_LOG_BYTES


def test_last_state_of_a_progress_bar_is_kept():
    bar = "".join(f"\r{number:3d} % token=abcdef{number:03d}" for number in range(101))
    assert (
        build_log_tail(f"pull\n{bar}\ndone\n", MAX_LOG_BYTES) == "pull\n100 % token=[redacted: token]\ndone\n"
    )


def test_latest_samples_are_kept():
    made = build_snapshot(needed(), DEAD, now=NOW, samples=[MetricPoint(at, 1.0, 1) for at in range(500)])
    assert [each.time for each in made.samples] == list(range(380, 500))


def test_samples_of_an_older_version_are_read():
    made = build_snapshot(needed(), DEAD, now=NOW, samples=[MetricPoint(NOW, 1.0, 2)])
    older = encode(made).replace(b",1.0,2,null,null]", b",1.0,2]")
    assert older != encode(made)
    assert decode(older) == made


def test_parts_that_do_not_fit_are_dropped_in_order():
    details = ContainerDetails(environment={f"N{number}": "ü" * 400 for number in range(200)})
    made = build_snapshot(
        needed(), DEAD, now=NOW, log="out of cheese\n", details=details, samples=[MetricPoint(NOW, 1.0, 1)]
    )
    assert made.left_out == ("samples", "processes", "environment")
    assert made.log == "out of cheese\n"
    assert made.details is not None


@given(log=text, line=text, size=st.integers(1, 400))
def test_snapshot_is_never_too_large(log, line, size):
    made = build_snapshot(
        needed(alert=alert(evidence=(Evidence(line, line * 20),) * 60)),
        DEAD,
        now=NOW,
        log=log * size,
        processes=[line] * size,
        details=ContainerDetails(
            command=(line,) * size,
            environment={f"{line}{number}": line for number in range(size)},
            checks=(HealthcheckRun(time=NOW, exit_code=1, output=line * 10),) * 20,
        ),
    )
    raw = encode(made)
    assert len(raw) <= MAX_SNAPSHOT_BYTES
    assert decode(raw) == made


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"time": "x"}'])
def test_invalid_snapshot_is_refused(raw):
    with pytest.raises(DecodeError):
        decode(raw)
