"""What a cleanup may delete in a container: the contents of directories that its label names, and no more."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

LABEL: Final = "hemostat.cleanup.paths"
SYSTEM: Final = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run"}
    | {"/sbin", "/srv", "/sys", "/usr", "/var", "/var/lib"}
)
"""Directories that are never emptied whole, whatever a label says."""

SCRIPT: Final = """\
root=$(stat -c %d /) || exit 1
for path do
  [ -d "$path" ] || continue
  [ "$(stat -c %d "$path")" = "$root" ] || { echo "$path is a mount" >&2; exit 1; }
  find "$path" -xdev -mindepth 1 -depth ! -type d -exec rm -f -- {} + || exit 1
  find "$path" -xdev -mindepth 1 -depth -type d -exec rmdir -- {} + 2>/dev/null || :
done
"""
"""Run by `sh -c` in the container with the paths as arguments. Another device is a volume, and not ours;
a directory that one is mounted in stays. No -delete: busybox may be built without it."""


def command(labels: Mapping[str, str]) -> list[str] | None:
    """The command that cleans up as the label asks; None where it names nothing that may be deleted."""
    paths = [path for word in labels.get(LABEL, "").split(",") if (path := _safe(word.strip())) is not None]
    return ["sh", "-c", SCRIPT, "hemostat-cleanup", *paths] if paths else None


def _safe(text: str) -> str | None:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or text.startswith("//"):
        return None
    return None if str(path) in SYSTEM else str(path)
