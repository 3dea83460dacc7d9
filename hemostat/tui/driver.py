"""Textual's driver for standard output: it draws there, and exits when the terminal is gone.

Textual itself draws on standard error, keeps reading an input that has ended, and waits for a writer thread
that has died.
"""

import os
import select
import sys
from codecs import getincrementaldecoder
from pathlib import Path
from shutil import get_terminal_size
from typing import IO, Any, BinaryIO, Final, TextIO, cast

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import DeliveryComplete, DeliveryFailed
from textual.message import Message

from hemostat.output_file import write_output

POLL_SECONDS: Final = 0.1
"""Seconds without a key after which the parser treats an escape as the key."""
CHUNK_BYTES: Final = 4096


class Screen:
    """Standard output for the writer thread. Text that cannot be written is dropped.

    Otherwise code that waits for that thread could wait forever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.is_lost = False

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except (OSError, ValueError):
            self.is_lost = True
            return 0

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            self.is_lost = True


class TerminalDriver(LinuxDriver):
    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._screen = Screen(cast("IO[str]", sys.__stdout__))
        self._file = cast("Any", self._screen)
        self._size = self._get_terminal_size()

    def deliver_binary(
        self,
        binary: BinaryIO | TextIO,
        *,
        delivery_key: str,
        save_path: Path,
        name: str | None = None,
        **_: Any,
    ) -> None:
        """Write the export into a new file, as every other export."""
        with binary:
            content = binary.read()
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        try:
            save_path.parent.mkdir(parents=True, exist_ok=True)
            write_output(save_path, data)
        except OSError as error:
            event: Message = DeliveryFailed(key=delivery_key, exception=error, name=name)
        else:
            event = DeliveryComplete(key=delivery_key, path=save_path, name=name)
        self._app.post_message(event)

    def _get_terminal_size(self) -> tuple[int, int]:
        """The size of the terminal that is drawn on, which may differ from the one that keys come from."""
        try:
            size = os.get_terminal_size(self._screen.fileno())
        except OSError:
            size = os.terminal_size((0, 0))
        return (size.columns, size.lines) if size.columns and size.lines else get_terminal_size()

    def run_input_thread(self) -> None:
        """Forward typed keys until the dashboard ends. Without a terminal the dashboard ends too."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            typed = self._read_typed()
            if typed is None or self._screen.is_lost:
                self._app.call_later(self._app.exit)
                return
            for message in (*(parser.feed(decode(typed)) if typed else ()), *parser.tick()):
                self.process_message(message)

    def _read_typed(self) -> bytes | None:
        """The keys typed in the last moment. None if the input is gone."""
        try:
            if not select.select([self.fileno], [], [], POLL_SECONDS)[0]:
                return b""
            return os.read(self.fileno, CHUNK_BYTES) or None
        except (OSError, ValueError):
            return None
