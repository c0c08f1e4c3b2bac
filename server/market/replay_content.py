"""The content of a replay file as UTF-8 with LF at line ends, even if it has gzip, UTF-16 or CR.

Neither a decompressed nor a recoded file is ever in memory or on disk as a whole.
"""

import codecs
import gzip
import io
import os
import stat
import zlib
from io import BufferedReader, FileIO, IncrementalNewlineDecoder, RawIOBase
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, cast

_Reader: TypeAlias = "BufferedReader[RawIOBase]"

_CHUNK_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ContentError(ValueError):
    """The file cannot be read; the message says what is wrong."""


class FileState(NamedTuple):
    """The attributes of a file that change with its content, known without reading it."""

    number: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Return the state from a file's `stat` result."""
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class Content:
    """An open file; reading raises ContentError for one that is damaged.

    `is_as_stored` tells whether offsets are those of the stored file, so that a seek costs nothing.
    Otherwise a seek backwards reads the file from its beginning.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Opening a pipe would block until its other end opens, and a pipe cannot be read twice.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ContentError("must be a regular file")
            self._stored: _Reader = BufferedReader(FileIO(path), _CHUNK_BYTES)
        except OSError as error:
            raise ContentError(error.strerror or str(error)) from error
        self.state = FileState.of(os.fstat(self._stored.fileno()))
        self._text = self._stored
        try:
            self._text = self._as_text()
        except ContentError:
            self.close()
            raise
        self.is_as_stored = self._text is self._stored

    def close(self) -> None:
        """Close the file."""
        self._stored.close()

    @property
    def share(self) -> float:
        """Return the share of the file that has been read, from 0 to 1."""
        return self._stored.tell() / max(self.state.size, 1)

    def read_line(self, limit: int) -> bytes:
        """Read up to the end of the line, but at most `limit` bytes; nothing at the end."""
        try:
            return self._text.readline(limit)
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            raise _damage(error) from error

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._text.tell()

    def seek(self, offset: int) -> None:
        """Go to an offset that `tell` returned."""
        try:
            self._text.seek(offset)
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            raise _damage(error) from error

    def _as_text(self) -> _Reader:
        text = self._stored
        head = _peek(text)
        if head.startswith(_GZIP):
            # A GzipFile has all that a BufferedReader asks of a raw stream.
            raw = cast("RawIOBase", gzip.GzipFile(fileobj=self._stored))
            text = BufferedReader(raw, _CHUNK_BYTES)
            head = _peek(text)
        if head.startswith(_ZIP):
            raise ContentError("is a ZIP archive or an Excel file: unpack it, or save it as CSV")
        if head.startswith(_UTF_16):
            return BufferedReader(_Recoded(text, "utf-16"), _CHUNK_BYTES)
        if b"\0" in head:
            raise ContentError("is no text in UTF-8: save it as UTF-8")
        if b"\r" in head and b"\n" not in head:
            return BufferedReader(_Recoded(text, "utf-8"), _CHUNK_BYTES)
        return text


class _Recoded(RawIOBase):
    """A stream as UTF-8 with LF at line ends."""

    def __init__(self, source: _Reader, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._left, self._position, self._is_at_end = b"", 0, False
        self._decoder = self._new_decoder()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self._left and not self._is_at_end:
            chunk = self._source.read(_CHUNK_BYTES)
            self._is_at_end = not chunk
            self._left = self._decoder.decode(chunk, final=not chunk).encode()
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        if offset < self._position:
            self._source.seek(0)
            self._left, self._position, self._is_at_end = b"", 0, False
            self._decoder = self._new_decoder()
        while self._position < offset and self.read(min(offset - self._position, _CHUNK_BYTES)):
            pass
        return self._position

    def _new_decoder(self) -> IncrementalNewlineDecoder:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        return IncrementalNewlineDecoder(decoder, translate=True)


def _peek(stream: _Reader) -> bytes:
    try:
        return stream.peek(_CHUNK_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise _damage(error) from error


def _damage(error: Exception) -> ContentError:
    if isinstance(error, EOFError):
        return ContentError("ends too early: is the gzip file complete?")
    if isinstance(error, UnicodeError):
        return ContentError("must be UTF-8, or UTF-16 with its mark")
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return ContentError(f"is damaged: {error}")
    return ContentError(getattr(error, "strerror", None) or str(error))
