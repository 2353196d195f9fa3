"""Documents: files, bytes and texts, with a map back to pages, headings and places on the page."""

from __future__ import annotations

import base64
import json
import os
import sys
from html import escape
from typing import IO, Any

from . import _native
from .answers import Answer
from .errors import DocumentError, OptionError

__all__ = ["Document", "read"]

# The child that reads files: see `isolated` of `read`. With `-P` it imports nothing from the current folder.
_CHILD = [sys.executable or "python3", "-P", "-c", "from longspan import _native; _native.serve_parent()"]
# Characters that `Document.show` shows on either side of an answer.
_SIDE = 600


class Document:
    """A text with its map: pages, headings, and where it is printed.

    ``Document("Ada Brown installed it.")`` is a plain text; :func:`read` reads files.
    A document is tokenized when it is asked first, and keeps its tokens for the reader that asked last. It pickles with its
    map; that of a PDF holds its path or its bytes too, for its pages, but no password.

    :raises DocumentError: if the text has half of a surrogate pair, which is no character
    """

    __slots__ = ("_native", "_source", "_map")

    def __init__(self, text: str, name: str = "text") -> None:
        try:
            self._native = _native.NativeDocument.of_text(name, text)
        except UnicodeEncodeError as error:
            name = name.encode(errors="replace").decode()
            raise DocumentError(f"`{name}`: {unpaired(error)}", "unknown_format", name) from None
        self._source: _Source | None = None
        self._map: dict[str, Any] | None = None

    @classmethod
    def _of(cls, native: _native.NativeDocument, source: _Source | None) -> Document:
        document = cls.__new__(cls)
        document._native, document._source, document._map = native, None, None
        if source is not None and document.format == "pdf":  # no other format has pages to draw
            document._source = source
        return document

    @property
    def name(self) -> str:
        """The name: of a file, its path as it was given."""
        return self._native.name

    @property
    def text(self) -> str:
        """The text that offsets refer to."""
        return self._native.text

    def map(self) -> dict[str, Any]:
        """The map of the text, without the text: the object of ``longspan text --json``."""
        if self._map is None:
            self._map = json.loads(self._native.map())
        return self._map

    @property
    def format(self) -> str:
        """The format that it was read from, such as ``pdf``."""
        return self._native.format

    @property
    def title(self) -> str | None:
        """The title that the file states."""
        return self._native.title

    @property
    def pages(self) -> int:
        """How many pages it has; 0 if it has none."""
        return self._native.pages

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the text, such as pages without text."""
        return self._native.warnings

    def page_image(self, page: int, width: int = 1200) -> bytes:
        """Draws a page of a PDF: a PNG.

        :param page: its number, from 1
        :param width: of the picture, in pixels
        :raises DocumentError: if it is no PDF, or has no such page
        """
        for option, given, most in (("page", page, (1 << 32) - 1), ("width", width, (1 << 16) - 1)):
            if not 1 <= given <= most:
                raise OptionError(f"`{option}`: {given}: expected a whole number from 1 to {most}")
        if self._source is None:
            message = f"`{self.name}`: a document of the format {self.format} has no page to draw"
            raise DocumentError(message, "no_pages", self.name)
        source = self._source
        return _native.draw(source.given, page, width, self.name, source.password, _child(source.isolated))

    def show(self, answer: Answer) -> Shown:
        """Shows an answer of this document in a notebook: marked on its page, if that can be drawn, else in its text."""
        return Shown(self, answer)

    def __reduce__(self) -> Any:
        source = None if self._source is None else (self._source.given, self._source.isolated)
        return _unpickled, (self.name, self._native.encode(), source)

    def __len__(self) -> int:
        """Characters of the text."""
        return len(self.text)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        pages = f", {self.pages} pages" if self.pages else ""
        return f"Document({self.name!r}, {self.format}, {len(self)} characters{pages})"


class _Source:
    """Where a PDF is from, so that its pages can be drawn."""

    __slots__ = ("given", "isolated", "password")

    def __init__(self, given: Any, isolated: bool, password: str | None = None) -> None:
        self.given, self.isolated, self.password = given, isolated, password


def _unpickled(name: str, encoded: bytes, source: tuple[Any, bool] | None) -> Document:
    return Document._of(_native.NativeDocument.decode(name, encoded), _Source(*source) if source else None)


def _child(isolated: bool) -> list[str] | None:
    return _CHILD if isolated else None


def unpaired(error: UnicodeEncodeError) -> str:
    """What is wrong with a text that has half of a surrogate pair."""
    return f"character {error.start} is half of a surrogate pair, U+{ord(error.object[error.start]):04X}"


def read(
    source: str | os.PathLike[str] | bytes | IO[Any],
    *,
    name: str | None = None,
    format: str | None = None,
    password: str | None = None,
    isolated: bool = False,
) -> Document:
    """Reads a PDF, DOCX, ODT, EPUB, HTML, Markdown or text, plain or packed with gzip.

    The file is read without the GIL, and Ctrl-C ends the wait for it.

    :param source: a path, bytes, or a file object (what is left of it). What a file object gives as ``str`` is a text, unless
        ``format`` says otherwise
    :param name: what answers call the document; by default the path, the name of the file object, or ``bytes``
    :param format: its format, such as ``pdf``, instead of finding it out
    :param password: that of an encrypted document
    :param isolated: read it in a child process, which is stopped when it takes more than 60 seconds or, on Linux, 2 GiB.
        Use it for files of strangers: without it, this process reads within the limits of the readers alone
    :raises DocumentError: if it cannot be read; :class:`PasswordRequired` and :class:`NoText` are its classes
    """
    given: Any = source
    if hasattr(source, "read"):
        given = source.read()
        named = getattr(source, "name", None)
        name = name or (named if isinstance(named, str) else None)
        if isinstance(given, str):
            name = name or "text"
            if format in (None, "text"):
                return Document(given, name)
            given = given.encode("utf-8-sig", "replace")  # its mark outweighs the encoding that the text states
    if isinstance(given, (bytearray, memoryview)):
        given = bytes(given)
    native = _native.NativeDocument.read(given, name, format, password, _child(isolated))
    return Document._of(native, _Source(given, isolated, password))


class Shown:
    """An answer in its document, for notebooks."""

    def __init__(self, document: Document, answer: Answer) -> None:
        self.document = document
        self.answer = answer

    def _repr_html_(self) -> str:
        boxes = self.answer.boxes
        if not self.answer:
            return self.answer._repr_html_()
        if boxes and self.document._source is not None:
            return self.answer._repr_html_() + self._page(boxes[0].page)
        return self.answer._repr_html_() + self._text()

    def _page(self, number: int) -> str:
        page = self.document.map()["pages"][number - 1]
        picture = base64.b64encode(self.document.page_image(number)).decode()
        marks = "".join(
            '<div style="position: absolute; background: rgba(255, 220, 0, 0.45); '
            f"left: {100 * box.x / page['width']:.3f}%; top: {100 * box.y / page['height']:.3f}%; "
            f"width: {100 * box.width / page['width']:.3f}%; height: {100 * box.height / page['height']:.3f}%\"></div>"
            for box in self.answer.boxes
            if box.page == number
        )
        shown = escape(f"page {number} of {self.document.name}", quote=True)
        return (
            '<div style="position: relative; max-width: 50em; border: 1px solid #888">'
            f'<img alt="{shown}" style="width: 100%; display: block" src="data:image/png;base64,{picture}">{marks}</div>'
        )

    def _text(self) -> str:
        text, start, end = self.document.text, self.answer.start or 0, self.answer.end or 0
        left, right = max(0, start - _SIDE), min(len(text), end + _SIDE)
        before = ("…" if left else "") + text[left:start]
        after = text[end:right] + ("…" if right < len(text) else "")
        return (
            '<div style="white-space: pre-wrap; max-width: 50em; max-height: 30em; overflow: auto; border: 1px solid #888; '
            f'padding: 0.5em 0.8em">{escape(before)}<mark>{escape(text[start:end])}</mark>{escape(after)}</div>'
        )

    def __repr__(self) -> str:
        return repr(self.answer)
