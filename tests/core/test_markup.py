"""Text from outside mentions no one, links nowhere and formats nothing in every channel, and reads the
same."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.adapters.notify.apprise import format_body
from hemostat.core.markup import ZERO_WIDTH_SPACE, neutralize_markup
from hemostat.core.notify.formats.slack import build_payload
from hemostat.core.notify.message import build_digest, single
from hemostat.core.settings.alert import Topic
from tests.support.markup import MARKS
from tests.support.notifications import HEALED, make_notification

HOSTILE = [
    "[click to approve](https://evil.example)",
    "[a][b] and [b]: https://evil.example",
    "![pixel](https://evil.example/x.png)",
    "<https://evil.example|click>",
    "<https://evil.example>",
    "<a href='https://evil.example'>x</a>",
    "https://evil.example/x?y",
    "hxxp://evil.example and http:\\\\evil.example",
    "evil.example/x",
    "www.evil.example",
    "mailto:a@evil.example",
    "javascript:alert(1)",
    "tg://resolve?domain=evil",
    "@everyone @here @channel @all @room @team",
    "(@here) x@here 'ops@evil.example'",
    "<@123> <@!123> <@&123> <@U012AB3CD> <#C123> <!channel> <!here> <!subteam^S1>",
    "<!date^1392734382^{date}^https://evil.example|x>",
    "<t:1> <:x:1> <a:x:1> </x:1>",
    "&#64;here &commat;here &lt;b&gt;",
    "`code` ```block``` ``x``",
    "**bold** *it* __b__ _it_ ~~s~~ ~s~ ||spoiler||",
    "# heading",
    "> quoted",
    "- item",
    "1. item",
    ":rotating_light: :+1:",
    "#general",
    "$$x$$",
    "<b>x</b><script>x</script><img src=x>",
]
FIELDS = ("container", "cause", "done", "what", "host", "project", "incident")


def read(text: str) -> str:
    """As a person reads it."""
    alike = str.maketrans(
        {"\u02cb": "`", "\u2217": "*", "\u223c": "~", "\uff3f": "_", ZERO_WIDTH_SPACE: None}
    )
    return text.translate(alike)


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_has_no_markup_and_reads_the_same(text):
    told = neutralize_markup(text)
    assert not MARKS.search(told), told
    assert read(told) == text


@given(st.text("[]()<>@:/!#&*_`~|$.\\ ab1", max_size=30))
def test_any_combination_of_markup_is_escaped(text):
    assert not MARKS.search(neutralize_markup(text))
    assert read(neutralize_markup(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "web",
        "shop-web-1",
        "my_app_1",
        "nginx:1.25",
        "exit code 137",
        "10.0.0.3:8080",
        "3.1 s",
        "ended: a-b",
        "a/b_c",
    ],
)
def test_names_and_numbers_are_unchanged(text):
    assert neutralize_markup(text) == text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", FIELDS)
def test_no_channel_receives_markup(field, text):
    hostile = make_notification(Topic.FAILED, **{field: f"{text} {text}"})
    for message in (single(hostile, {}), build_digest([hostile, HEALED], {})):
        sent = build_payload(message)
        ours = re.compile(r":[a-z_]+: |^More: `|`$", re.MULTILINE)
        for told in (format_body(message), message.title, *ours.sub("", unescape(sent["text"])).splitlines()):
            for line in told.splitlines():
                assert not MARKS.search(line.removeprefix("- ")), line


def test_template_of_the_operator_may_link():
    template = {"healed": "[{container}](https://wiki.example/{project})"}
    assert single(HEALED, template).title == "[web](https://wiki.example/shop)"
