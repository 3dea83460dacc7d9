"""Text from outside in a message: no channel takes any of it for a link, a mention or a format.

Every service reads marks of its own (Slack, Discord, Mattermost, Teams, Telegram, mail), and some read text
that was never meant to be marked up. So the marks of all of them are broken, for all of them: what only
starts a link or a mention is followed by a zero width space, and what frames a text gives way to a character
that looks alike. A person reads the same text.
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
"""Of addresses without slashes."""
LOOKALIKES: Final = str.maketrans(
    {"`": "\N{MODIFIER LETTER GRAVE ACCENT}", "*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}"}
)
UNDERSCORE_MARKS: Final = re.compile(r"(?<!\w)_+|_+(?!\w)|__+")
FULLWIDTH_LOW_LINE: Final = "\N{FULLWIDTH LOW LINE}"
LINE_START_MARKS: Final = re.compile(r"^(?=[#>+-]|\d+[.)]\s)")
"""Of a heading, a quotation or a list, where the text begins a line."""


def neutralize_markup(text: str) -> str:
    """One line of text, as it is read, without anything that a channel would act on."""
    plain = UNDERSCORE_MARKS.sub(lambda found: FULLWIDTH_LOW_LINE * len(found[0]), text.translate(LOOKALIKES))
    return LINE_START_MARKS.sub(
        ZERO_WIDTH_SPACE,
        SLASHLESS_SCHEMES.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", BREAK_POINTS.sub(ZERO_WIDTH_SPACE, plain)),
    )
