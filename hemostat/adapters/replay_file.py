"""Reads and writes replay files, compressed if their name ends in .gz.

Of a file that was cut off, the complete part is read.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from hemostat.core.history import replay
from hemostat.core.history.replay import Replay
from hemostat.errors import DecodeError, HemoStatError, UsageError
from hemostat.events import MAX_BYTES
from hemostat.output_file import open_output
from hemostat.text_file import open_regular_file

MAX_FILE_BYTES: Final = 256 << 20
"""Bytes, uncompressed, of the longest replay, which is read into memory: some seven hours of 20 containers.
"""
MAX_LINE_BYTES: Final = 4 * MAX_BYTES
"""A longer rest would be copied with every chunk."""
CHUNK_BYTES: Final = 1 << 16
GZIP_MAGIC: Final = b"\x1f\x8b"
GZIP_WINDOW_BITS: Final = 31
"""zlib's constant for the gzip format."""


def read_replay(path: Path) -> Replay:
    """The replay.

    Raises UsageError if the file cannot be read, DecodeError if it is not a playable replay.
    """
    try:
        with open_regular_file(path) as file:
            return replay.parse(_read_lines(file))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} {error}") from None
    except zlib.error as error:
        raise DecodeError(f"{path} cannot be played: it is damaged: {error}") from None
    except DecodeError as error:
        raise DecodeError(f"{path} cannot be played: {error.message}", hint=error.hint) from None


def _read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends. The last line has no end if the file was cut off."""
    rest, size = b"", 0
    for chunk in _read_chunks(file):
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise DecodeError(f"it is longer than {MAX_FILE_BYTES >> 20} MiB", hint="record a shorter period")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > MAX_LINE_BYTES:
            raise DecodeError("a line is longer than any event")
    if rest:
        yield rest


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The content in chunks of at most CHUNK_BYTES: a compressed chunk may expand to a thousand times its
    size."""
    chunk = file.read(CHUNK_BYTES)
    if not chunk.startswith(GZIP_MAGIC):
        while chunk:
            yield chunk
            chunk = file.read(CHUNK_BYTES)
        return
    unpacker = zlib.decompressobj(GZIP_WINDOW_BITS)
    while chunk and not unpacker.eof:
        yield unpacker.decompress(chunk, CHUNK_BYTES)
        chunk = unpacker.unconsumed_tail or file.read(CHUNK_BYTES)
    yield unpacker.flush()


class ReplayFile:
    """A replay file for writing, readable only by its owner.

    An existing file is overwritten only with `force`.

    Raises UsageError if it cannot be created, HemoStatError if a later write fails.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self._path = path
        self.size = 0
        """Bytes written, before compression."""
        try:
            self._raw = open_output(path, replace=force)
        except FileExistsError:
            raise UsageError(f"{path} already exists", hint="--force overwrites it") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        packed = path.suffix == ".gz"
        self._file = gzip.GzipFile("", "wb", 9, self._raw, mtime=0) if packed else self._raw

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            self._raw.close()
        except OSError as failed:
            raise self._make_error(failed) from None

    @property
    def is_full(self) -> bool:
        """Whether another event might exceed the length that can be read."""
        return self.size > MAX_FILE_BYTES - 2 * MAX_BYTES

    def write(self, line: bytes) -> None:
        self.size += len(line)
        try:
            self._file.write(line)
        except OSError as error:
            raise self._make_error(error) from None

    def flush(self) -> None:
        """Write buffered data, so that a killed process leaves a usable file."""
        try:
            self._file.flush()
            self._raw.flush()
        except OSError as error:
            raise self._make_error(error) from None

    def _make_error(self, error: OSError) -> HemoStatError:
        return HemoStatError(f"{self._path} cannot be written: {error.strerror}")
