"""The ``question-answering`` pipeline of transformers 4, which transformers 5.3 removed."""

from __future__ import annotations

import os
import types
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from .answers import Answer
from .errors import OptionError, QuestionTooLong
from .reader import Reader

__all__ = ["QuestionAnsweringPipeline", "SquadExample", "pipeline"]

TASK = "question-answering"
# The longest answer of the pipeline of transformers, in tokens.
MAX_ANSWER_LEN = 15

_PRECISIONS = {"auto": "auto", "float32": "f32", "float": "f32", "bfloat16": "bf16", "f32": "f32", "bf16": "bf16", "int8": "int8"}

# What has no meaning here, and the values with which nothing is lost.
_MEANINGLESS: dict[str, tuple[Any, ...]] = {
    "framework": ("pt",),
    "use_fast": (True,),
    "device_map": ("auto", "cpu"),
    "trust_remote_code": (False,),
    "model_kwargs": ({},),
    "num_workers": (0,),
    "binary_output": (False,),
    "align_to_words": (True, False),
    "padding": (False, "do_not_pad", True, "longest", "max_length"),
}

_warned: set[str] = set()


def _warn_once(key: str, message: str) -> None:
    if key not in _warned:
        _warned.add(key)
        warnings.warn(message, UserWarning, stacklevel=4)


class SquadExample:
    """A question and its context, as the pipeline of transformers takes them; any object with these two attributes will do."""

    def __init__(self, question_text: str, context_text: str) -> None:
        self.question_text = question_text
        self.context_text = context_text


class QuestionAnsweringPipeline:
    """Answers questions from texts, with the arguments and results of the pipeline of transformers 4.57.

    >>> qa = longspan.pipeline("question-answering")
    >>> qa(question="Where do I live?", context="My name is Wolfgang and I live in Berlin")["answer"]
    'Berlin'

    :param model: a :class:`longspan.Reader`
    :param options: defaults for the options of a call
    """

    task = TASK

    def __init__(self, model: Reader, *, batch_size: int | None = None, **options: Any) -> None:
        self.model = model
        self._batch_size = batch_size
        self._options = _given(options)
        _sanitized(self._options)

    @staticmethod
    def create_sample(question: Any, context: Any) -> Any:
        """The example of a question and its context, or a list of them."""
        if isinstance(question, list):
            return [SquadExample(q, c) for q, c in zip(question, context)]
        return SquadExample(question, context)

    def __call__(self, *args: Any, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Answers one question, or several.

        Takes ``question=`` and ``context=`` (each a ``str`` or a list; one context serves several questions), a dict or an
        object with both, a list of these, or a generator or a data set (rows by their number) of these, which is read as its
        results are.

        :param top_k: how many answers; 1 by default
        :param handle_impossible_answer: whether the answer may be empty, where the context has none; ``False`` by default
        :param max_answer_len: tokens of the longest answer; 15 by default
        :param max_seq_len: tokens of the longest input; the model's by default
        :param doc_stride: tokens that neighbouring windows share; the model's by default
        :param max_question_len: a longer question is an error; without it, only one that leaves no room
        :param batch_size: how many examples of a generator or a data set are read together; 1 by default
        :return: of one example a dict with ``score``, ``start``, ``end`` and ``answer``, or a list of them where there are
            several; of several examples a list of that; of a generator or a data set an iterator
        """
        inputs = _inputs(args, kwargs)
        given = _given({name: value for name, value in kwargs.items() if name not in ("question", "context", "X", "data")})
        options = _sanitized({**self._options, **given})
        if isinstance(inputs, types.GeneratorType):
            return self._stream(inputs, batch_size or self._batch_size or 1, options)
        results = self._answers(inputs, options)
        return results[0] if len(results) == 1 else results

    def _stream(self, examples: Iterator[Any], batch_size: int, options: dict[str, Any]) -> Iterator[Any]:
        batch: list[Any] = []
        for example in examples:
            batch.append(_example(example))
            if len(batch) >= batch_size:
                yield from self._answers(batch, options)
                batch = []
        yield from self._answers(batch, options)

    def _answers(self, examples: list[Any], options: dict[str, Any]) -> list[Any]:
        top_k = options["top_k"]
        if options["max_question_len"] is not None:
            for example in examples:
                self._check_length(example.question_text, options["max_question_len"])
        try:
            answers = self.model.ask_many(
                [(example.question_text, example.context_text) for example in examples],
                top_k=top_k,
                max_answer_length=options["max_answer_len"],
                max_tokens=options["max_seq_len"],
                doc_stride=options["doc_stride"],
            )
        except OptionError as error:
            message = str(error).replace("max_answer_length", "max_answer_len").replace("max_tokens", "max_seq_len")
            raise OptionError(message, error.code) from None
        return [_shaped(answer, top_k, options["handle_impossible_answer"]) for answer in answers]

    def _check_length(self, question: str, tokens_max: int) -> None:
        tokens = self.model._native.question_tokens(question)
        if tokens > tokens_max:
            message = f"the question has {tokens} tokens, max_question_len is {tokens_max}"
            raise QuestionTooLong(message, "question_too_long")

    def __repr__(self) -> str:
        return f"QuestionAnsweringPipeline({self.model!r})"


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The examples of a call, as 4.57 finds them; the errors are its errors."""
    if len(args) == 2 and all(type(arg) is str for arg in args):
        inputs: Any = [{"question": args[0], "context": args[1]}]
    elif args:
        inputs = args[0] if len(args) == 1 else list(args)
    elif "X" in kwargs or "data" in kwargs:
        inputs = kwargs["X"] if "X" in kwargs else kwargs["data"]
    elif "question" in kwargs and "context" in kwargs:
        inputs = _pairs(kwargs["question"], kwargs["context"])
    else:
        raise ValueError(f"Unknown arguments {kwargs}")
    if isinstance(inputs, types.GeneratorType):
        return inputs
    if hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__") and not hasattr(inputs, "__iter__"):
        return (inputs[row] for row in range(len(inputs)))  # a data set, such as those of torch
    if isinstance(inputs, dict) or _is_example(inputs):
        inputs = [inputs]
    elif not isinstance(inputs, Iterable):
        raise ValueError(f"Invalid arguments {kwargs}")
    checked = (_checked(item) for item in inputs)
    return [example for item in checked for example in (item if isinstance(item, list) else [item])]


def _pairs(question: Any, context: Any) -> list[dict[str, Any]]:
    if isinstance(question, str) and isinstance(context, str):
        return [{"question": question, "context": context}]
    if isinstance(question, list) and isinstance(context, str):
        return [{"question": one, "context": context} for one in question]
    if isinstance(question, list) and isinstance(context, list):
        if len(question) != len(context):
            raise ValueError("Questions and contexts don't have the same lengths")
        return [{"question": one, "context": its} for one, its in zip(question, context)]
    raise ValueError("Arguments can't be understood")


def _is_example(item: Any) -> bool:
    return hasattr(item, "question_text") and hasattr(item, "context_text")


def _checked(item: Any) -> Any:
    if _is_example(item):
        return item
    if not isinstance(item, dict):
        raise ValueError(f"{item} argument needs to be of type (SquadExample, dict)")
    for key in ("question", "context"):
        if key not in item:
            raise KeyError("You need to provide a dictionary with keys {question:..., context:...}")
        if item[key] is None:
            raise ValueError(f"`{key}` cannot be None")
        if item[key] == "":
            raise ValueError(f"`{key}` cannot be empty")
    if isinstance(item["question"], list):
        return [_example(pair) for pair in _pairs(item["question"], item["context"])]
    return QuestionAnsweringPipeline.create_sample(**item)


def _example(item: Any) -> Any:
    """An example of a generator."""
    return item if _is_example(item) else SquadExample(item["question"], item["context"])


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Options under their present names; ``None`` is as if it was not given."""
    given = {name: value for name, value in options.items() if value is not None}
    topk = given.pop("topk", None)
    if topk is not None and "top_k" not in given:
        _warn_once("topk", "topk parameter is deprecated, use top_k instead")
        given["top_k"] = topk
    return given


def _sanitized(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a call with their defaults; what has no meaning here warns once."""
    options: dict[str, Any] = {
        "top_k": 1,
        "handle_impossible_answer": False,
        "max_answer_len": MAX_ANSWER_LEN,
        "max_seq_len": None,
        "doc_stride": None,
        "max_question_len": None,
    }
    for name, value in given.items():
        if name in options:
            options[name] = value
        elif value not in _MEANINGLESS.get(name, ()):
            _warn_once(name, f"`{name}` has no meaning for this pipeline, and is ignored")
    for name in ("top_k", "max_answer_len"):
        if options[name] < 1:
            raise ValueError(f"{name} parameter should be >= 1 (got {options[name]})")
    stride, longest = options["doc_stride"], options["max_seq_len"]
    if stride is not None and longest is not None and stride > longest:
        raise ValueError(f"`doc_stride` ({stride}) is larger than `max_seq_len` ({longest})")
    return options


def _shaped(answer: Answer, top_k: int, with_abstention: bool) -> Any:
    """The answers of one example: one as a dict, several as a list, as in transformers."""
    results: list[dict[str, Any]] = [
        {"score": span.score, "start": span.start, "end": span.end, "answer": span.text} for span in answer.spans
    ]
    if with_abstention:
        none: dict[str, Any] = {"score": answer.no_answer_score, "start": 0, "end": 0, "answer": ""}
        better = sum(1 for result in results if result["score"] >= none["score"])
        results.insert(max(better, 1) if answer else 0, none)  # what was decided stays the first
    results = results[:top_k]
    return results[0] if len(results) == 1 else results


def pipeline(
    task: str | None = None,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    device: Any = None,
    dtype: Any = None,
    torch_dtype: Any = None,
    threads: int | None = None,
    offline: bool = False,
    batch_size: int | None = None,
    **kwargs: Any,
) -> QuestionAnsweringPipeline:
    """A pipeline with the arguments of ``transformers.pipeline``, as 4.57 has them.

    :param task: ``"question-answering"``
    :param model: a folder, a name on the hub, or a :class:`longspan.Reader`; by default the model of ``longspan-mini``
    :param revision: a branch, tag or commit of the model on the hub
    :param token: for private and gated models
    :param device: ``None``, ``-1`` or ``"cpu"``: it computes on the CPU
    :param dtype: ``"float32"``, ``"bfloat16"`` or ``"auto"``, or a type of torch; also ``torch_dtype``
    :param threads: to compute on; by default one for each core
    :param offline: use no network
    :param kwargs: defaults for the options of a call, such as ``top_k`` and ``handle_impossible_answer``
    """
    if task not in (None, TASK):
        raise KeyError(f"Unknown task {task}, available tasks are ['{TASK}']")
    if device is not None and str(device) not in ("cpu", "-1"):
        raise ValueError(f"device={device!r}: longspan computes on the CPU: expected None, -1 or 'cpu'")
    if tokenizer is not None and isinstance(model, str) and tokenizer != model:
        _warn_once("tokenizer", "`tokenizer` is ignored: a model is asked with its own")
    kwargs["config"] = config
    model_kwargs = dict(kwargs.pop("model_kwargs", None) or {})
    offline = offline or bool(model_kwargs.pop("local_files_only", False))
    kwargs["model_kwargs"] = model_kwargs
    if not isinstance(model, Reader):
        if isinstance(model, str) and revision is not None and "@" not in model and not os.path.isdir(model):
            model = f"{model}@{revision}"
        precision: Any = _precision(dtype if dtype is not None else torch_dtype)
        given = token if isinstance(token, str) else None
        model = Reader(model, precision=precision, threads=threads, offline=offline, token=given)
    return QuestionAnsweringPipeline(model, batch_size=batch_size, **kwargs)


def _precision(dtype: Any) -> str:
    name = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    if name in ("float16", "half"):
        _warn_once("float16", "float16 is not computed in: the precision is chosen as with dtype='auto'")
        return "auto"
    if name not in _PRECISIONS:
        raise ValueError(f"dtype={dtype!r}: expected one of {', '.join(_PRECISIONS)}")
    return _PRECISIONS[name]
