"""Exact answers from long documents, or an honest 'no answer'.

>>> import longspan
>>> reader = longspan.Reader()
>>> document = longspan.read("agreement.pdf")
>>> answer = reader.ask("How many shares does JANA own?", document)
>>> if answer:
...     print(answer.text, answer.page, answer.sentence)

====================  ==============================================================
:class:`Reader`       a model that is asked
:func:`read`          a file, bytes or a file object as a :class:`Document`
:class:`Answer`       the text, its place, its sentence and its score; false if there is none
:func:`cite`          quotations checked against documents, word for word
:func:`pipeline`      the ``question-answering`` pipeline of transformers 4
:func:`evaluate`      the official figures of SQuAD; ``longspan.metrics`` has them alone
``longspan.batch``    tables and corpora, on one machine, on Ray and on Spark
``longspan.haystack`` a reader for Haystack
====================  ==============================================================
"""

from . import metrics
from ._pipelines import QuestionAnsweringPipeline, pipeline
from .answers import Answer, Box, Span
from .citing import Citation, cite
from .documents import Document, read
from .errors import (
    DatasetError,
    DocumentError,
    Error,
    HubError,
    ModelError,
    NoText,
    OptionError,
    PasswordRequired,
    QuestionError,
    QuestionTooLong,
)
from .evaluation import Evaluation, evaluate
from .reader import Progress, Reader, ReadOptions

__all__ = [
    "Answer",
    "Box",
    "Citation",
    "DatasetError",
    "Document",
    "DocumentError",
    "Error",
    "Evaluation",
    "HubError",
    "ModelError",
    "NoText",
    "OptionError",
    "PasswordRequired",
    "Progress",
    "QuestionAnsweringPipeline",
    "QuestionError",
    "QuestionTooLong",
    "ReadOptions",
    "Reader",
    "Span",
    "cite",
    "evaluate",
    "metrics",
    "pipeline",
    "read",
]
