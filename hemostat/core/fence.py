"""Text from outside, shown to a model as data.

A fence is named by a digest of what it holds, which the text cannot know, and so cannot close.
"""

import re
from typing import Final

from hemostat.events import digest

NAME: Final = re.compile(r"[^\w./:@ -]")


def fenced(source: str, text: str) -> str:
    tag = digest(f"{source}\n{text}".encode(errors="replace"), 4)
    return f'<evidence-{tag} source="{NAME.sub("?", source)[:100]}">\n{text}\n</evidence-{tag}>'
