"""Neutralizes markup in untrusted text, so that no channel reads a link, a mention or a format in it.

Every service has its own markup (Slack, Discord, Mattermost, Teams, Telegram, mail), and some apply it to
plain text too. The markup of all of them is therefore broken for all of them: a zero width space follows what
starts a link or a mention, and a character that looks alike replaces what frames a text. The text looks the
same to a reader.
"""

import re
from typing import Final

ZERO_WIDTH_SPACE: Final = "\N{ZERO WIDTH SPACE}"

BREAK_POINTS: Final = re.compile(
    r"""
      (?<=\])(?=[(\[:])            # [text](address), [text][label], [label]: address
    | (?<=:)(?=//|\\\\)            # https://address
    | (?<=[:])(?=[\w+-]{1,64}:)    # :emoji:
    | (?<=@)(?=[\w&!])             # @here, <@&1>, name@domain
    | (?<=<)(?=\S)                 # <!channel>, <@U1>, <#C1>, <t:1>, <a href>
    | (?<=&)(?=\#?\w)              # &#64;
    | (?<=\w)(?=\.[^\W\d_]{2})     # domain.example
    | (?<=!)(?=\[)                 # ![picture](address)
    | (?<=\$)(?=\$)                # $$formula$$
    | (?<=\|)(?=\|)                # ||spoiler||
    | (?<=~)(?=~)                  # ~~struck~~
    | (?<=\#)(?=\w)                # #channel
    """,
    re.VERBOSE,
)
SLASHLESS_SCHEMES: Final = re.compile(
    r"(?i)\b(?:mailto|tel|sms|javascript|data|file|tg|xmpp|sips?|skype|magnet)(?=:)"
)
"""Schemes of addresses without slashes."""
LOOKALIKES: Final = str.maketrans(
    {"`": "\N{MODIFIER LETTER GRAVE ACCENT}", "*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}"}
)
UNDERSCORE_MARKS: Final = re.compile(r"(?<!\w)_+|_+(?!\w)|__+")
FULLWIDTH_LOW_LINE: Final = "\N{FULLWIDTH LOW LINE}"
LINE_START_MARKS: Final = re.compile(r"^(?=[#>+-]|\d+[.)]\s)")
"""Marks of a heading, a quotation or a list at the beginning of a line."""


def neutralize_markup(text: str) -> str:
    """Return one line of text that looks the same, without anything that a channel would act on."""
    plain = UNDERSCORE_MARKS.sub(lambda match: FULLWIDTH_LOW_LINE * len(match[0]), text.translate(LOOKALIKES))
    return LINE_START_MARKS.sub(
        ZERO_WIDTH_SPACE,
        SLASHLESS_SCHEMES.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", BREAK_POINTS.sub(ZERO_WIDTH_SPACE, plain)),
    )
