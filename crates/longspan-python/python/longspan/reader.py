"""The reader: a model that is asked questions about documents."""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypedDict, Unpack, overload

from . import _native
from .answers import Answer
from .documents import Document, read, unpaired
from .errors import Error, HubError, ModelError, OptionError, QuestionError

__all__ = ["Progress", "ReadOptions", "Reader"]

_log = logging.getLogger("longspan")

# The threads of a reader are not in a fork: it starts its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.forked)


class Progress(NamedTuple):
    """How much the model has read of a call."""

    tokens_done: int
    tokens: int


class ReadOptions(TypedDict, total=False):
    """How documents are read. The names are those of ``longspan ask`` and of the server; the defaults are the model's."""

    top_k: int
    """List up to so many spans, which do not overlap: at most 10,000 (the server lists at most 100); 1 by default."""
    all: bool
    """List every span that would be an answer if it were the best one (the server lists at most 100)."""
    threshold: float
    """There is no answer if ``null_odds`` is above this: a higher one answers more often."""
    abstain: Literal["strict", "balanced", "eager"]
    """A threshold by its name, one that ``longspan calibrate`` has fitted to the model."""
    max_answer_length: int
    """Tokens of the longest answer; by default the model's, or 30."""
    respect_borders: bool
    """Whether no answer may run over a border, such as a blank line or the end of a table cell."""
    max_tokens: int
    """Tokens of the longest input of the model."""
    doc_stride: int
    """Tokens that neighbouring windows share."""
    verify_tokens: int
    """Tokens around the best span of a longer document that are read once more, alone; 0: none."""
    global_attention: Literal["question", "first", "none"] | list[int]
    """Tokens with global attention, or their positions."""


Source = Document | str | os.PathLike[str] | bytes


class Reader:
    """A model in memory, ready to be asked from any thread.

    >>> reader = longspan.Reader()
    >>> answer = reader.ask("Who installed the pump?", "It was installed in 1911 by Ada Brown.")
    >>> answer.text
    'Ada Brown'

    :param model: a folder, or ``ORG/NAME[@REVISION]`` on the Hugging Face hub; by default, and as ``embedded``, the model
        of the package ``longspan-mini``
    :param precision: the number format to compute with: ``auto`` (bf16 if the machine has instructions for it, else f32),
        ``f32``, ``bf16`` or ``int8``
    :param threads: to compute on; by default one for each core
    :param offline: use no network: a model of the hub must be in the cache
    :param token: for private and gated models of the hub; by default ``HF_TOKEN`` or the token that ``hf auth login`` keeps
    :raises ModelError: if there is no such model, or it cannot be read; :class:`HubError` if the hub cannot give it

    A reader may be used in a fork, and it pickles as its arguments (without the token): the other process opens the model
    again.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        precision: Literal["auto", "f32", "bf16", "int8"] = "auto",
        threads: int | None = None,
        offline: bool = False,
        token: str | None = None,
    ) -> None:
        if threads is not None and not 1 <= threads <= 4096:
            raise OptionError(f"`threads`: {threads}: expected a whole number from 1 to 4096")
        self._arguments = {"model": model, "precision": precision, "threads": threads, "offline": offline}
        folder, name = _find(model, offline, token)
        self._native = _native.NativeReader(folder, name, precision, threads)
        self._name = name

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._name

    @property
    def precision(self) -> str:
        """The number format that it computes in: ``f32``, ``bf16`` or ``int8``."""
        return self._native.precision

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest input of the model."""
        return self._native.max_tokens

    @property
    def threshold(self) -> float:
        """The threshold of the model for ``null_odds``."""
        return self._native.threshold

    def ask(self, question: str, document: Source, **options: Unpack[ReadOptions]) -> Answer:
        """Asks a document a question.

        :param document: a :class:`Document`, a text (``str``), a path (``pathlib.Path``), or the bytes of a file
        :param options: those of :class:`ReadOptions`: ``top_k``, ``all``, ``threshold``, ``abstain``,
            ``max_answer_length``, ``respect_borders``, ``max_tokens``, ``doc_stride``, ``verify_tokens``,
            ``global_attention``
        :raises QuestionError: if the question is empty or too long
        :raises DocumentError: if the document cannot be read or has no text
        """
        return self.ask_many([(question, document)], **options)[0]

    @overload
    def ask_many(
        self,
        pairs: Iterable[tuple[str, Source]],
        *,
        progress: Callable[[Progress], object] | None = None,
        errors: Literal["raise"] = "raise",
        **options: Unpack[ReadOptions],
    ) -> list[Answer]: ...

    @overload
    def ask_many(
        self,
        pairs: Iterable[tuple[str, Source]],
        *,
        progress: Callable[[Progress], object] | None = None,
        errors: Literal["return"],
        **options: Unpack[ReadOptions],
    ) -> list[Answer | Error]: ...

    def ask_many(
        self,
        pairs: Iterable[tuple[str, Source]],
        *,
        progress: Callable[[Progress], object] | None = None,
        errors: Literal["raise", "return"] = "raise",
        **options: Unpack[ReadOptions],
    ) -> Any:
        """Asks many pairs of a question and a document, which share the passes of the model.

        Each answer is bit for bit that of :meth:`ask`. A document that stands in several pairs is read once.

        :param progress: called after each pass; what it raises ends the work
        :param errors: ``"raise"`` raises the first error of a pair, before the model reads anything where that is possible;
            ``"return"`` puts errors in the place of answers. A wrong option is raised with both
        :return: the answers, in the order of the pairs
        """
        if errors not in ("raise", "return"):
            raise ValueError(f'errors={errors!r}: expected "raise" or "return"')
        is_strict = errors == "raise"
        known: dict[object, Document | Error] = {}
        given = [(q, _question_error(q, is_strict) or _document(source, known, is_strict)) for q, source in pairs]
        sound = [(question, document._native) for question, document in given if isinstance(document, Document)]
        report = None if progress is None else lambda done, tokens: progress(Progress(done, tokens))
        answers = iter(self._native.ask(sound, dict(options), is_strict, report))
        return [document if isinstance(document, Error) else _answer(next(answers)) for _, document in given]

    def __reduce__(self) -> Any:
        return _unpickled, (self._arguments,)

    def __repr__(self) -> str:
        return f"Reader({self._name!r}, precision={self.precision!r})"


def _unpickled(arguments: dict[str, Any]) -> Reader:
    return Reader(arguments["model"], **{key: value for key, value in arguments.items() if key != "model"})


def _answer(given: str | Error) -> Answer | Error:
    return Answer(json.loads(given)) if isinstance(given, str) else given


def _question_error(question: str, is_strict: bool) -> QuestionError | None:
    """What is wrong with a question that is no text; the engine finds the rest."""
    if not isinstance(question, str):
        raise TypeError(f"question: expected a str, got {type(question).__name__}")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        fault = QuestionError(f"the question: {unpaired(error)}")
        if is_strict:
            raise fault from None
        return fault
    return None


def _document(source: Source, known: dict[object, Document | Error], is_strict: bool) -> Document | Error:
    """The document of a source; an equal source gives the same one."""
    if isinstance(source, Document):
        return source
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise TypeError(f"document: expected a Document, str, path or bytes, got {type(source).__name__}")
    document = known.get(source)
    if document is None:
        try:
            document = Document(source) if isinstance(source, str) else read(source)
        except Error as error:
            if is_strict:
                raise
            document = error
        known[source] = document
    return document


def _find(model: str | os.PathLike[str] | None, offline: bool, token: str | None) -> tuple[str, str]:
    """The folder of a model, and its name."""
    if model in (None, "embedded"):  # as the program calls it
        try:
            folder = importlib.import_module("longspan_mini").FOLDER
        except ImportError:
            hint = "install the package longspan-mini, or give a model"
            raise ModelError(f"the package with the weights is missing: {hint}") from None
        return folder, _native.embedded_name(folder)
    assert model is not None
    name = os.fspath(model)
    if os.path.isdir(name):
        return name, name
    if os.path.exists(name):
        raise ModelError(f"`{name}`: a file, not a folder: a model is the folder that holds its files")
    if not isinstance(model, str) or not _native.could_be_on_hub(name):
        raise ModelError(f"`{name}`: no such folder: a model is a folder, or ORG/NAME[@REVISION] on the Hugging Face hub")
    try:
        return os.fspath(_native.fetch(name, offline, token, _on_fetch)), name
    except HubError as error:
        if "/" in name:
            raise
        raise HubError(f"`{name}`: no such folder: {error}", error.code) from None


def _on_fetch(what: str, done: int | None, total: int | None) -> None:
    """Logs what a fetch does: the end of each file, and notices."""
    if done is None or total is None:
        _log.warning("%s", what)
    elif done == total:
        _log.info("%s: %d bytes", what, total)
