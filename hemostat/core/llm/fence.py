"""Text from outside, shown to a model as data.

A fence is named by a digest of what it holds, and the name stands nowhere in it: no text can close it, not
even one that was computed to.
"""

import re
from typing import Final

from hemostat.events import digest

SIZE: Final = 8
"""Bytes of a fence's name."""
NAME: Final = re.compile(r"[^\w./:@ -]")


def fenced(source: str, text: str) -> str:
    tag = digest(f"{source}\n{text}".encode(errors="replace"), SIZE)
    while tag in text.casefold():
        tag = digest(tag.encode(), SIZE)
    return f'<evidence-{tag} source="{NAME.sub("?", source)[:100]}">\n{text}\n</evidence-{tag}>'
