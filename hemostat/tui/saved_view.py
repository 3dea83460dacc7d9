"""How somebody left the dashboard, in a small file: what was chosen, and nothing that hides anything."""

from pathlib import Path
from typing import Final

import msgspec

from hemostat.private_files import replace_file
from hemostat.tui.table.sorting import Sort

FILE_NAME: Final = "dashboard.json"


class SavedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`columns` and `theme` are the configuration's while they are empty."""

    sort: Sort = "name"
    reverse: bool = False
    grouped: bool = False
    log: bool = True
    columns: tuple[str, ...] = ()
    theme: str = ""


def load_view(path: Path | None) -> tuple[SavedView, str]:
    """The view, and why the one that was kept could not be used; empty if it could, or there was none."""
    if path is None or not path.exists():
        return SavedView(), ""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SavedView), ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        return SavedView(), f"the view that was kept is not used: {path}: {error}"


def save_view(path: Path | None, view: SavedView) -> str:
    """Keep the view; why that could not be done, empty if it was."""
    if path is None:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, msgspec.json.encode(view))
    except OSError as error:
        return f"the view cannot be kept in {path}: {error.strerror}"
    return ""
