"""An incident as it is handed on: everything in it, nothing secret, nothing that a reader would act on."""

import msgspec
import pytest
from markdown_it import MarkdownIt

from hemostat.core.history.export import build_export, render_markdown
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.timeline import IncidentTimeline, build_timeline
from hemostat.events import Event, Evidence, decode
from tests.support.samples import DIAGNOSIS, NOW, alert, complete, event, needed
from tests.tui.scenes import kept, told

HOSTILE = "</td><script>alert(1)</script> | [x](http://y) `~~~~` *b* \x1b[2J"


def made(events: list[Event]) -> IncidentTimeline:
    return build_timeline(next(each for each in build_incident_logs(events) if each.incident == "i1"))


def when(time: float) -> str:
    return f"T{time - NOW:+.1f}"


def test_export_contains_every_part():
    text = render_markdown(made(told()), [kept()], when)
    for part in (
        "# web: health check fails, healed",
        "| T+0.0 | 20 ms | alert | health check fails; failing streak 3",
        "| T+6.7 | 2 s | outcome | restarted, healed in 2.5 s |",
        "Detected 20 ms, diagnosed 4.2 s",
        "- **quoted** log: pool exhausted, 40 of 40 in use",
        "- restart: healed",
        "## Evidence saved at T+4.3: web  health check fails, no. 1, before restart",
        "  serve --port 80",
        "  2026-11-24T00:26:54Z worker 54 took a connection",
        "failed with 1: connection refused",
    ):
        assert part in text


def test_export_contains_no_markup_or_control_sequences():
    diagnosis = msgspec.structs.replace(DIAGNOSIS, reasons=(HOSTILE,))
    text = render_markdown(
        made([event(alert()), event(needed(diagnosis=diagnosis), 0.1)]), [kept(HOSTILE)], when
    )
    before_log = text.partition("## Evidence saved")[0]
    assert "<script>" not in before_log
    assert "[x](" not in before_log
    assert "\x1b" not in text
    log = text.partition("### Log")[2].partition("###")[0]
    assert [line for line in log.splitlines() if line.startswith("~~~~")] == ["~~~~", "~~~~"]


ENDS_A_FENCE = "~~~~~~\n\n# told by a container\n\n[x](http://y.example) <img src=http://y.example> *b*\n"


@pytest.mark.parametrize("indent", ["", " ", "   ", "\t", "> ", "- "])
def test_log_does_not_close_its_code_block(indent):
    """As readers of Markdown see it: a fence may end up to three blanks from the margin."""
    log = "".join(f"{indent}{line}\n" for line in ENDS_A_FENCE.splitlines())
    read = MarkdownIt().parse(render_markdown(made([event(alert())]), [kept(log)], when))
    assert any("told by a container" in each.content for each in read if each.type == "fence")
    assert not any("y.example" in each.content for each in read if each.type != "fence")


@pytest.mark.parametrize("text", ["https://y.example/a", "see www.y.example", "@org/team look", "(@org)"])
def test_container_text_has_no_links_or_mentions(text):
    diagnosis = msgspec.structs.replace(DIAGNOSIS, reasons=(text,))
    told = render_markdown(made([event(alert()), event(needed(diagnosis=diagnosis), 0.1)]), [], when)
    assert text not in told
    assert text in told.replace("\N{ZERO WIDTH SPACE}", "")


def test_secrets_are_masked_in_both_formats():
    spoken = alert(evidence=(Evidence("health_output", "password=hunter2 refused"),))
    whole = made(
        [event(spoken), event(complete(detail="token=ghp_0123456789abcdef0123456789abcdef0123"), 3.0)]
    )
    told_as_object = msgspec.json.encode(build_export(whole, [])).decode()
    for text in (render_markdown(whole, [], when), told_as_object):
        assert "hunter2" not in text
        assert "ghp_0123456789" not in text
        assert "redacted" in text


def test_json_export_has_events_and_steps():
    whole = made(told())
    read = msgspec.json.decode(msgspec.json.encode(build_export(whole, [kept()])))
    assert [decode(msgspec.json.encode(each)) for each in read["events"]] == [
        each for each in told() if each.incident == "i1"
    ]
    assert [each["stage"] for each in read["steps"]] == [step.stage for step in whole.steps]
    assert (read["incident"], read["status"], len(read["dossiers"])) == ("i1", "healed", 1)
