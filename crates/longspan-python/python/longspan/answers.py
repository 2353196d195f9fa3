"""Answers, as they come from :meth:`longspan.Reader.ask`."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

__all__ = ["Answer", "Box", "Span"]


class Box(NamedTuple):
    """A rectangle on a page, in points of 1/72 inch from the top left corner of the page as it is shown."""

    page: int
    """Number of the page, from 1."""
    x: float
    """Left edge."""
    y: float
    """Upper edge."""
    width: float
    height: float


class Span:
    """A span of a document that may answer a question.

    ``document.text[span.start:span.end] == span.text``: offsets are indices of a Python string.
    """

    __slots__ = ("_object",)

    def __init__(self, object: dict[str, Any]) -> None:
        self._object = object

    @property
    def text(self) -> str:
        """The span, as it stands in the text of the document."""
        return self._object["text"]

    @property
    def score(self) -> float:
        """Its score: a probability of being right, if the model is calibrated."""
        return self._object["score"]

    @property
    def start(self) -> int:
        """Index of its first character."""
        return self._object["start"]

    @property
    def end(self) -> int:
        """One past its last character."""
        return self._object["end"]

    @property
    def line(self) -> int:
        """Line of the text on which it begins, from 1."""
        return self._object["line"]

    @property
    def page(self) -> int | None:
        """Page on which it begins, from 1; ``None`` if the document has no pages."""
        return self._object.get("page")

    @property
    def heading(self) -> tuple[str, ...]:
        """The headings above it, the highest first."""
        return tuple(self._object.get("heading", ()))

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where it is printed, a rectangle for each line of the page; empty if the file does not say so."""
        return tuple(Box(**box) for box in self._object.get("boxes", ()))

    @property
    def start_logit(self) -> float:
        """Logit of its first token as a start."""
        return self._object["start_logit"]

    @property
    def end_logit(self) -> float:
        """Logit of its last token as an end."""
        return self._object["end_logit"]

    def to_dict(self) -> dict[str, Any]:
        """The object under ``answers`` of ``longspan ask --json``."""
        return self._object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self._object == other._object

    def __hash__(self) -> int:
        return hash((self.start, self.end, self.text))

    def __repr__(self) -> str:
        return f"Span({self.text!r}, score={self.score:.3f}, start={self.start}, end={self.end})"


class Answer:
    """The answer of one document to one question. It is false if the document has none.

    >>> if answer:
    ...     print(answer.text, answer.page, answer.sentence)

    Everything is there without the document: an answer may outlive it, be pickled, and be written with :meth:`to_dict`.
    """

    __slots__ = ("_object",)

    def __init__(self, object: dict[str, Any]) -> None:
        self._object = object

    def __bool__(self) -> bool:
        return self._object["answer"] is not None

    @property
    def text(self) -> str:
        """The answer, as it stands in the text of the document; empty on abstention."""
        return self._object["answer"] or ""

    @property
    def question(self) -> str:
        """The question."""
        return self._object["question"]

    @property
    def document(self) -> str:
        """The name of the document."""
        return self._object["document"]

    @property
    def score(self) -> float:
        """Score of the answer, or :attr:`no_answer_score` on abstention: a probability of being right, if the model is
        calibrated."""
        return self._object["score"]

    @property
    def no_answer_score(self) -> float:
        """Score of 'no answer'."""
        return self._object["no_answer_score"]

    @property
    def null_odds(self) -> float:
        """Log odds of 'no answer' against the best span. Above the threshold there is no answer."""
        return self._object["null_odds"]

    @property
    def start(self) -> int | None:
        """Index of the first character of the answer in the text of the document, a Python string."""
        return self._object["start"]

    @property
    def end(self) -> int | None:
        """One past its last character."""
        return self._object["end"]

    @property
    def line(self) -> int | None:
        """Line of the text on which it begins, from 1."""
        return self._object["line"]

    @property
    def page(self) -> int | None:
        """Page on which it begins, from 1; ``None`` if the document has no pages."""
        return self._object.get("page")

    @property
    def page_label(self) -> str | None:
        """What is printed for the number of that page, such as ``iv``; ``None`` if the file does not say so."""
        return self._object.get("page_label")

    @property
    def heading(self) -> tuple[str, ...]:
        """The headings above it, the highest first."""
        return tuple(self._object.get("heading", ()))

    @property
    def sentence(self) -> str:
        """The sentence of the answer, as one line; empty on abstention."""
        parts = self._object.get("sentence")
        return parts["before"] + parts["answer"] + parts["after"] if parts else ""

    @property
    def spans(self) -> list[Span]:
        """The best spans, best first, whether or not there is an answer."""
        return [Span(span) for span in self._object["answers"]]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the answer is printed; empty on abstention, and if the file does not say so."""
        return self.spans[0].boxes if self else ()

    @property
    def tokens(self) -> int:
        """Tokens of the document."""
        return self._object["tokens"]

    @property
    def windows(self) -> int:
        """Windows that cover the document."""
        return self._object["windows"]

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._object["model"]

    @property
    def precision(self) -> str:
        """Numbers that it computed with: ``f32``, ``bf16`` or ``int8``."""
        return self._object["precision"]

    @property
    def seconds(self) -> float:
        """Seconds that the model took."""
        return self._object["seconds"]

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the text of the document."""
        return [warning["message"] for warning in self._object.get("warnings", ())]

    @property
    def place(self) -> str:
        """Where the answer is, for people: ``agreement.pdf, page 1, line 19, under "3. Board"``."""
        parts = [self.document]
        if self.page is not None:
            parts += [f"page {self.page_label or self.page}", f"line {self._object['page_line']}"]
        elif self.line is not None:
            parts += [f"line {self.line}"]
        if self.heading:
            parts += [f'under "{self.heading[-1]}"']
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The object of ``longspan ask --json`` and of the server; ``longspan ask --json-schema`` describes it."""
        return self._object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self._object == other._object

    def __hash__(self) -> int:
        return hash((self.question, self.document, self.start, self.end))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        if not self:
            return f"Answer('', no_answer_score={self.no_answer_score:.3f}, document={self.document!r})"
        return f"Answer({self.text!r}, score={self.score:.3f}, place={self.place!r})"

    def _repr_html_(self) -> str:
        """For notebooks: the question, the answer in its sentence, its place and its score."""
        if self:
            parts = self._object["sentence"]
            shown = f"{escape(parts['before'])}<mark>{escape(parts['answer'])}</mark>{escape(parts['after'])}"
            below = f"{escape(self.place)} · score {self.score:.2f}"
        else:
            shown = "<i>no answer</i>"
            below = f"{escape(self.document)} · score of ‘no answer’ {self.no_answer_score:.2f}"
        warnings = "".join(f"<div>{escape(warning)}</div>" for warning in self.warnings)
        return (
            '<div style="border-left: 3px solid #888; padding: 0.2em 0.8em; margin: 0.4em 0; max-width: 50em">'
            f'<div style="opacity: 0.7">{escape(self.question)}</div>'
            f'<div style="font-size: 110%; margin: 0.2em 0">{shown}</div>'
            f'<div style="opacity: 0.7; font-size: 90%">{below}{warnings}</div></div>'
        )
