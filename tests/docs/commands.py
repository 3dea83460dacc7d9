"""The commands that the documents name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.docs.made import ROOT

DOCUMENTS = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "demos/README.md", *(ROOT / "docs").glob("*.md"))
    if path.name != "CHANGELOG.md"
)
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:sudo )?hemostat(?: [^`]*)?)`")
START = re.compile(r"(?:^|[;&|(]\s*)(?:\$ )?(?:sudo )?(?:\S*/)?hemostat (?=[a-z-])(.*)")
END = re.compile(r"\s(?:#|[|<>;&]|2>|…).*|\\$")


def commands(path: Path) -> Iterator[str]:
    """What follows the word `hemostat`, as it is to be typed: of what may be left out or chosen, all and the
    first."""
    text = path.read_text("utf-8")
    blocks = FENCE.findall(text)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    inline = [each.replace("\n", " ").replace(r"\|", "|") for each in INLINE.findall(FENCE.sub("", text))]
    for line in (*lines, *inline):
        found = START.search(line)
        if found and not found[1].endswith(" …"):  # a message that begins so
            yield found[1]


def words(command: str) -> list[str]:
    plain = END.sub("", re.sub(r"(\w)\|[\w|]+", r"\1", command)).replace("[", "").replace("]", "")
    return [word for word in shlex.split(plain) if word != "…"]
