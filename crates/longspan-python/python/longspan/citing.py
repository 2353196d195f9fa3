"""Quotations, checked against documents word for word."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _native
from .documents import Document, read
from .errors import DocumentError

__all__ = ["Citation", "cite"]


class Citation:
    """A quotation, and what documents say of it. It is true if a document has it: ``exact`` or ``normalised``."""

    __slots__ = ("_object",)

    def __init__(self, object: dict[str, Any]) -> None:
        self._object = object

    def __bool__(self) -> bool:
        return self.status in ("exact", "normalised")

    @property
    def quote(self) -> str:
        """The quotation, without marks around it."""
        return self._object["quote"]

    @property
    def id(self) -> str:
        """What its author calls it, or its number, from 1."""
        return self._object["id"]

    @property
    def status(self) -> str:
        """``exact``: a document has it letter for letter. ``normalised``: in another form. ``altered``: a passage is surely
        meant and was changed. ``not_found``: everything was read and no document has it. ``unchecked``: not everything was
        read, or the quotation cannot be looked for."""
        return self._object["status"]

    @property
    def document(self) -> str | None:
        """The document of the first passage."""
        return self._object["document"]

    @property
    def page(self) -> int | None:
        """Its page, from 1."""
        return self._object["page"]

    @property
    def reasons(self) -> list[str]:
        """In what the quotation differs in form from its first passage, or why it cannot be looked for."""
        return self._object["reasons"]

    @property
    def edits(self) -> list[dict[str, Any]]:
        """What an altered quotation changes: ``kind``, ``from``, ``to`` and where."""
        return self._object["edits"]

    @property
    def places(self) -> list[dict[str, Any]]:
        """The passages that have it, at most ten; of an altered one, the passage that is meant."""
        return self._object["places"]

    def to_dict(self) -> dict[str, Any]:
        """The object of ``longspan cite --json``; ``longspan cite --json-schema`` describes it."""
        return self._object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Citation) and self._object == other._object

    def __hash__(self) -> int:
        return hash((self.quote, self.status))

    def __repr__(self) -> str:
        return f"Citation({self.quote!r}, status={self.status!r}, document={self.document!r}, page={self.page!r})"


def cite(
    quotations: str | Iterable[str | Mapping[str, Any]],
    documents: Document | str | os.PathLike[str] | Iterable[Document | str | os.PathLike[str]],
    *,
    min_words: int = 3,
) -> list[Citation]:
    """Checks quotations against documents, word for word.

    >>> [citation] = longspan.cite(["ran in 1912"], [longspan.Document("The pump ran in 1911.")])
    >>> citation.status, citation.edits[0]["to"]
    ('altered', '1911')

    :param quotations: a text, plain or Markdown, whose quotations are checked; or a list of quotations without marks, each a
        ``str``, or a dict with ``quote`` and perhaps ``id``, ``document`` and ``page``
    :param documents: a document or the path of a file, or several. One that cannot be read makes quotations ``unchecked``, as in the program
    :param min_words: words of the shortest quotation that is taken from a text
    """
    if min_words < 1:
        raise ValueError(f"min_words={min_words}: expected 1 or more")
    if isinstance(quotations, Mapping):
        raise TypeError("quotations: expected a text or a list of quotations, got one quotation")
    read_documents, unread = [], []
    for given in [documents] if isinstance(documents, (Document, str, os.PathLike)) else documents:
        try:
            document = given if isinstance(given, Document) else read(os.fspath(given))
            read_documents.append(document._native)
        except DocumentError as error:
            unread.append((error.document or "", str(error)))
    text = quotations if isinstance(quotations, str) else None
    quotes = [] if isinstance(quotations, str) else [_quote(n, quote) for n, quote in enumerate(quotations, 1)]
    return [Citation(json.loads(one)) for one in _native.cite(text, quotes, read_documents, unread, min_words)]


def _quote(number: int, given: str | Mapping[str, Any]) -> tuple[str, str, str | None, str | None]:
    if isinstance(given, str):
        return str(number), given, None, None
    page = given.get("page")
    return str(given.get("id", number)), given["quote"], given.get("document"), None if page is None else str(page)
