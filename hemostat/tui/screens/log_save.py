"""Saves logs to a file: the lines in memory, or all that the engine has."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Final

from textual.message import Message

from hemostat.core.text import escape_controls
from hemostat.core.units import show_size
from hemostat.errors import HemoStatError
from hemostat.tui.context import Exports
from hemostat.tui.data.log_save import LogSave, SavePlan
from hemostat.tui.render import log as log_words
from hemostat.tui.render.export import write_text
from hemostat.tui.screens.export import ExportDialog
from hemostat.tui.screens.log_search import LogSearchScreen

STOP_SECONDS: Final = 1.0
"""Seconds that a user who leaves the screen may have to wait for the removal of an unfinished file."""


class SaveReported(Message):
    def __init__(self, save: LogSave, text: str) -> None:
        super().__init__()
        self.save = save
        self.text = text


class SaveEnded(Message):
    def __init__(self, save: LogSave, count: int, why: str) -> None:
        super().__init__()
        self.save = save
        self.count = count
        self.why = why


class LogSaveScreen(LogSearchScreen):
    _save: LogSave | None = None
    _save_note = ""

    def name_sources(self) -> tuple[str, ...]:
        is_several = len({host for host, _ in self._places}) > 1
        return tuple(f"{host}/{name}" if is_several else name for host, name in self._places)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "save" and self.model.exports is Exports.NONE:
            return False
        if action == "save_all" and self.model.exports is not Exports.FILE:
            return False
        return super().check_action(action, parameters)

    def on_unmount(self) -> None:
        if self._save is not None:
            self._save.stop(wait=STOP_SECONDS)

    def action_back(self) -> None:
        if self._save is None:
            super().action_back()
            return
        self._save.stop()
        self._save, self._save_note = None, ""
        self.notify("the save was stopped; no file was written")
        self.redraw()

    def action_save(self) -> None:
        """Save the lines in memory, as they are shown: masked."""
        lines, names = self._rows.lines, self.name_sources()
        if not lines:
            self.notify("no lines", severity="warning")
        elif self.model.exports is Exports.FILE:
            title = f"Write the {len(lines):,} lines in memory to a file; secrets are masked"
            text = log_words.format_lines(lines, names)
            dialog = ExportDialog(
                title, log_words.make_file_name(names), lambda path, over: write_text(text, path, over=over)
            )
            self.app.push_screen(dialog, self._report_saved)
        elif self.model.exports is Exports.DOWNLOAD:
            text = log_words.format_lines(lines, names)
            self.app.deliver_text(io.StringIO(text), save_filename=log_words.make_file_name(names))

    def _report_saved(self, path: Path | None) -> None:
        if path is not None:
            self.notify(escape_controls(f"written: {path}"), markup=False)

    def action_save_all(self) -> None:
        """Save all that the engine has, while the screen can be used."""
        names = self.name_sources()
        if self._save is not None:
            self.notify("a save is running; esc stops it", severity="warning")
            return
        what = "the log" if len(names) == 1 else f"the {len(names)} logs"
        title = f"Write all that the engine has of {what} to a file; secrets are masked"
        dialog = ExportDialog(title, log_words.make_file_name(names), self._begin_save)
        self.app.push_screen(dialog)

    def _begin_save(self, path: Path, over: bool) -> Path:
        """Start the save, and return the absolute path. Raises HemoStatError for an existing file."""
        try:
            path = path.expanduser().absolute()
            with suppress(FileNotFoundError):
                path.lstat()
                if not over:
                    raise HemoStatError(f"{path} exists: press enter again to replace it")
        except (OSError, RuntimeError) as error:
            raise HemoStatError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        containers = [
            (source, each)
            for source, each in enumerate(self._containers)
            if each and not self._errors.get(source)
        ]
        if not containers:
            raise HemoStatError("there is no log that can be saved")
        heads = log_words.make_heads(self.name_sources())
        self._save_note = "saving; esc stops"
        hosts = [self._places[source][0] for source, _ in containers]
        self._save = LogSave(
            lambda number: self.model.engine(hosts[number]),
            SavePlan(
                [each for _, each in containers], [heads[source] for source, _ in containers], path, over
            ),
            lambda save, text: self.post_message(SaveReported(save, text)),
            lambda save, count, why: self.post_message(SaveEnded(save, count, why)),
        )
        return path

    def on_save_reported(self, message: SaveReported) -> None:
        if message.save is self._save:
            self._save_note = f"saving: {message.text}; esc stops"
            self.redraw()

    def on_save_ended(self, message: SaveEnded) -> None:
        if message.save is not self._save:
            return
        self._save, self._save_note = None, ""
        path = message.save.plan.path
        if message.why:
            text = escape_controls(f"not saved: {message.why}")
            self.notify(text, severity="error", markup=False)
        else:
            size = ""
            with suppress(OSError):
                size = f", {show_size(path.stat().st_size)}"
            self.notify(escape_controls(f"written: {path}, {message.count:,} lines{size}"), markup=False)
        self.redraw()
