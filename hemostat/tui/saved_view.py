"""The saved view of the dashboard in a small file: chosen settings, but no filters that hide containers."""

from pathlib import Path
from typing import Final

import msgspec

from hemostat.private_files import replace_file
from hemostat.text_file import read_bytes
from hemostat.tui.table.sorting import Sort

FILE_NAME: Final = "dashboard.json"


class SavedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The view's settings. Empty `columns` and `theme` mean the configured ones."""

    sort: Sort = "name"
    reverse: bool = False
    grouped: bool = False
    log: bool = True
    columns: tuple[str, ...] = ()
    theme: str = ""


def load_view(path: Path | None) -> tuple[SavedView, str]:
    """The view, and why the saved one could not be used. Empty if it could, or if no view was saved."""
    if path is None or not path.exists():
        return SavedView(), ""
    try:
        return msgspec.json.decode(read_bytes(path), type=SavedView), ""
    except (OSError, ValueError, RecursionError) as error:
        return SavedView(), f"the saved view is ignored: {path}: {error}"


def save_view(path: Path | None, view: SavedView) -> str:
    """Save the view. Returns the error, empty on success."""
    if path is None:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, msgspec.json.encode(view))
    except OSError as error:
        return f"the view cannot be saved in {path}: {error.strerror}"
    return ""
