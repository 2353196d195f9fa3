"""Errors as classes. Every error of this package is an :class:`Error`, and has a stable ``code`` for programs."""

from __future__ import annotations

__all__ = [
    "DatasetError",
    "DocumentError",
    "Error",
    "HubError",
    "ModelError",
    "NoText",
    "OptionError",
    "PasswordRequired",
    "QuestionError",
    "QuestionTooLong",
]


class Error(Exception):
    """What can go wrong outside the code: models, documents, questions, options, the network.

    ``code`` is stable: ``unreadable``, ``unknown_format``, ``too_large``, ``password_required``, ``wrong_password``,
    ``encrypted``, ``no_text``, ``no_pages`` or ``empty_document`` of a document; ``empty_question``, ``question_too_long``
    or ``bad_question``; ``option``, ``model``, ``hub`` or ``dataset``; ``internal`` of anything else. ``document`` is the
    name of the document that the error is about, or ``None``.
    """

    code: str = "internal"
    document: str | None

    def __init__(self, message: str = "", code: str | None = None, document: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.document = document


class DocumentError(Error):
    """A document cannot be read or asked."""


class PasswordRequired(DocumentError):
    """A document is encrypted, and the password is missing or wrong."""


class NoText(DocumentError):
    """A document has pages, but none has text: they are pictures, as scans are."""


class ModelError(Error):
    """A checkpoint is incomplete, damaged, or of another kind."""

    code = "model"


class HubError(ModelError):
    """The Hugging Face hub refused, or could not be reached."""

    code = "hub"


class QuestionError(Error, ValueError):
    """A question must be changed: it is empty, too long, or no text."""

    code = "bad_question"


class QuestionTooLong(QuestionError):
    """A question leaves no room for a document, or has more tokens than it may have."""


class OptionError(Error, ValueError):
    """An option is out of its range, or does not fit the model."""

    code = "option"


class DatasetError(Error, ValueError):
    """A file of questions or predictions must be changed."""

    code = "dataset"


for _name in __all__:  # as users import them
    globals()[_name].__module__ = "longspan"
