"""A reader for Haystack: it takes the place of ``TransformersExtractiveReader``. It needs the package ``haystack-ai``."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from haystack import Document, ExtractedAnswer, component, default_from_dict, default_to_dict, logging
from haystack.utils import Secret

from .answers import Answer, Span
from .errors import DocumentError, Error
from .reader import Reader

__all__ = ["LongspanReader"]

logger = logging.getLogger(__name__)

# Characters of the context of an answer, on either side.
CONTEXT = 150

# Arguments of TransformersExtractiveReader that have no meaning here.
_MEANINGLESS = frozenset(
    ["device", "max_batch_size", "answers_per_seq", "calibration_factor", "overlap_threshold", "model_kwargs"]
)


@component
class LongspanReader:
    """Finds the answers to a query in documents, and whether they have one.

    Unlike ``TransformersExtractiveReader`` it reads documents of any length under one normalisation, and it abstains where a
    document has no answer.

    >>> reader = LongspanReader()
    >>> reader.run(query="Who installed it?", documents=[Document(content="It was installed by Ada Brown.")])
    """

    def __init__(
        self,
        model: Path | str | None = None,
        token: Secret | None = Secret.from_env_var(["HF_API_TOKEN", "HF_TOKEN"], strict=False),  # noqa: B008
        top_k: int = 20,
        score_threshold: float | None = None,
        max_seq_length: int | None = None,
        stride: int | None = None,
        no_answer: bool = True,
        precision: str = "auto",
        threads: int | None = None,
        options: dict[str, Any] | None = None,
        **meaningless: Any,
    ) -> None:
        """
        :param model: a folder or a name on the hub; by default the model of ``longspan-mini``
        :param token: for private and gated models
        :param top_k: at most so many answers, and so many of each document
        :param score_threshold: only answers with this score or more
        :param max_seq_length: tokens of the longest input; by default the model's
        :param stride: tokens that neighbouring windows share; by default the model's
        :param no_answer: whether there is an extra answer whose ``data`` is ``None``, with the probability that no document
            has an answer: the product of that of each
        :param precision: as in :class:`longspan.Reader`
        :param threads: as in :class:`longspan.Reader`
        :param options: further options of :meth:`longspan.Reader.ask`, such as ``{"verify_tokens": 0}``
        :param meaningless: arguments of ``TransformersExtractiveReader`` that have no meaning here are ignored, such as
            ``device``, so that a saved pipeline loads once its ``type`` is ``longspan.haystack.LongspanReader``
        """
        unknown = meaningless.keys() - _MEANINGLESS
        if unknown:
            raise TypeError(f"LongspanReader has no argument {min(unknown)!r}")
        if meaningless:
            logger.warning("Arguments without a meaning for LongspanReader are ignored: {names}", names=sorted(meaningless))
        self.model = None if model is None else str(model)
        self.token = token
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.max_seq_length = max_seq_length
        self.stride = stride
        self.no_answer = no_answer
        self.precision = precision
        self.threads = threads
        self.options = options
        self._reader: Reader | None = None

    def to_dict(self) -> dict[str, Any]:
        """Serializes the component."""
        return default_to_dict(
            self,
            model=self.model,
            token=self.token.to_dict() if self.token else None,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            max_seq_length=self.max_seq_length,
            stride=self.stride,
            no_answer=self.no_answer,
            precision=self.precision,
            threads=self.threads,
            options=self.options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LongspanReader:
        """Makes the component that :meth:`to_dict` serialized."""
        parameters = data["init_parameters"]
        if isinstance(parameters.get("token"), dict):
            parameters["token"] = Secret.from_dict(parameters["token"])
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        """Opens the model."""
        if self._reader is None:
            token = self.token.resolve_value() if self.token else None
            precision: Any = self.precision
            self._reader = Reader(self.model, precision=precision, threads=self.threads, token=token)

    @component.output_types(answers=list[ExtractedAnswer])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        max_seq_length: int | None = None,
        stride: int | None = None,
        max_batch_size: int | None = None,
        answers_per_seq: int | None = None,
        no_answer: bool | None = None,
        overlap_threshold: float | None = None,
    ) -> dict[str, Any]:
        """Asks documents a query. Arguments that are given take the place of those of the component; ``max_batch_size``,
        ``answers_per_seq`` and ``overlap_threshold`` have no meaning here. A document without text, or that cannot be asked
        for another reason, is ignored, and the log says so.

        :return: ``answers``, by falling score
        """
        self.warm_up()
        assert self._reader is not None
        top_k = self.top_k if top_k is None else top_k
        no_answer = self.no_answer if no_answer is None else no_answer
        score_threshold = self.score_threshold if score_threshold is None else score_threshold
        options: dict[str, Any] = {
            **(self.options or {}),
            "top_k": top_k,
            "max_tokens": self.max_seq_length if max_seq_length is None else max_seq_length,
            "doc_stride": self.stride if stride is None else stride,
        }
        pairs = [(query, document.content or "") for document in documents]
        outcomes: list[Answer] = []
        answers: list[ExtractedAnswer] = []
        for document, outcome in zip(documents, self._reader.ask_many(pairs, errors="return", **options)):
            if isinstance(outcome, DocumentError):
                logger.warning("Document {id} is ignored: {error}", id=document.id, error=str(outcome))
            elif isinstance(outcome, Error):
                raise outcome
            else:
                outcomes.append(outcome)
                answers += [_extracted(query, document, span) for span in outcome.spans if outcome]
        if not outcomes:
            return {"answers": []}
        answers = sorted(answers, key=lambda answer: answer.score, reverse=True)[:top_k]
        if no_answer:
            answers.append(_none(query, outcomes))
            answers.sort(key=lambda answer: answer.score, reverse=True)
        if score_threshold is not None:
            answers = [answer for answer in answers if answer.score >= score_threshold]
        return {"answers": answers}


def _none(query: str, outcomes: list[Answer]) -> ExtractedAnswer:
    score = prod(outcome.no_answer_score for outcome in outcomes)
    return ExtractedAnswer(query=query, score=score, data=None, document=None, meta={})


def _extracted(query: str, document: Document, span: Span) -> ExtractedAnswer:
    content = document.content or ""
    left = max(0, span.start - CONTEXT)
    meta: dict[str, Any] = {"line": span.line}
    first = document.meta.get("page_number")
    if isinstance(first, int):
        meta["answer_page_number"] = first + (span.page or 1) - 1
    elif span.page is not None:
        meta["answer_page_number"] = span.page
    if span.boxes:
        meta["boxes"] = [box._asdict() for box in span.boxes]
    return ExtractedAnswer(
        query=query,
        score=span.score,
        data=span.text,
        document=document,
        context=content[left : span.end + CONTEXT],
        document_offset=ExtractedAnswer.Span(span.start, span.end),
        context_offset=ExtractedAnswer.Span(span.start - left, span.end - left),
        meta=meta,
    )
