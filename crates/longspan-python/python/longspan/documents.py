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

__all__ = ["Document", "read"]

# The child that reads files: see `isolated` of `read`.
_CHILD = [sys.executable or "python3", "-c", "from longspan import _native; _native.serve_parent()"]
# Characters that `Document.show` shows on either side of an answer.
_SIDE = 600


class Document:
    """A text with its map: pages, headings, and where it is printed.

    ``Document("Ada Brown installed it.")`` is a plain text; :func:`read` reads files.
    A document is tokenized when it is asked first, and keeps its tokens for the reader that asked last.
    """

    __slots__ = ("_native", "_source", "_map")

    def __init__(self, text: str, name: str = "text") -> None:
        self._native = _native.NativeDocument.of_text(name, text)
        self._source: _Source | None = None
        self._map: dict[str, Any] | None = None

    @classmethod
    def _of(cls, native: _native.NativeDocument, source: _Source | None) -> Document:
        document = cls.__new__(cls)
        document._native, document._source, document._map = native, source, None
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
        return self.map()["format"]

    @property
    def title(self) -> str | None:
        """The title that the file states."""
        return self.map().get("title")

    @property
    def pages(self) -> int:
        """How many pages it has; 0 if it has none."""
        return len(self.map()["pages"])

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the text, such as pages without text."""
        return [warning["message"] for warning in self.map().get("warnings", ())]

    def page_image(self, page: int, width: int = 1200) -> bytes:
        """Draws a page of a PDF: a PNG.

        :param page: its number, from 1
        :param width: of the picture, in pixels
        """
        if self._source is None:
            raise _native_error("the document is a text: it has no page to draw", self.name)
        return _native.draw(self._source.given, page, width, self.name, self._source.password, self._source.child)

    def show(self, answer: Answer) -> Shown:
        """Shows an answer of this document in a notebook: marked on its page, if that can be drawn, else in its text."""
        return Shown(self, answer)

    def __reduce__(self) -> Any:
        return _unpickled, (self.name, self._native.encode(), self._source)

    def __len__(self) -> int:
        """Characters of the text."""
        return len(self.text)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        pages = f", {self.pages} pages" if self.pages else ""
        return f"Document({self.name!r}, {self.format}, {len(self)} characters{pages})"


class _Source:
    """Where a document is from, so that its pages can be drawn."""

    __slots__ = ("given", "password", "child")

    def __init__(self, given: Any, password: str | None, child: list[str] | None) -> None:
        self.given, self.password, self.child = given, password, child


def _unpickled(name: str, encoded: bytes, source: _Source | None) -> Document:
    return Document._of(_native.NativeDocument.decode(name, encoded), source)


def _native_error(message: str, document: str) -> Exception:
    from .errors import DocumentError

    return DocumentError(f"`{document}`: {message}", "no_pages", document)


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

    :param source: a path, bytes, or a file object (what is left of it)
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
            return Document(given, name or "text")
    if isinstance(given, (bytearray, memoryview)):
        given = bytes(given)
    child = _CHILD if isolated else None
    native = _native.NativeDocument.read(given, name, format, password, child)
    return Document._of(native, _Source(given, password, child))


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
