"""Fences for untrusted text in a model's prompt, which mark the text as data.

A fence is named by a digest of its content, and the name does not occur in the content. So no text can close
its own fence, not even one computed for that purpose.
"""

import re
from typing import Final

from hemostat.events import digest

TAG_BYTES: Final = 8
"""Bytes of a fence's name."""
UNSAFE_CHARACTERS: Final = re.compile(r"[^\w./:@ -]")


def fence_text(source: str, text: str) -> str:
    tag = digest(f"{source}\n{text}".encode(errors="replace"), TAG_BYTES)
    while tag in text.casefold():
        tag = digest(tag.encode(), TAG_BYTES)
    return f'<evidence-{tag} source="{UNSAFE_CHARACTERS.sub("?", source)[:100]}">\n{text}\n</evidence-{tag}>'
