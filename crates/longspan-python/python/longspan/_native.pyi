# The engine. What users see is in the other modules.

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

__all__ = [
    "NativeDocument",
    "NativeReader",
    "cite",
    "could_be_on_hub",
    "draw",
    "embedded_name",
    "fetch",
    "figures",
    "forked",
    "serve_parent",
    "squad_questions",
]

@final
class NativeDocument:
    @staticmethod
    def of_text(name: str, text: str) -> NativeDocument: ...
    @staticmethod
    def read(
        source: bytes | str | os.PathLike[str],
        name: str | None = None,
        format: str | None = None,
        password: str | None = None,
        child: list[str] | None = None,
    ) -> NativeDocument: ...
    @staticmethod
    def decode(name: str, encoded: bytes) -> NativeDocument: ...
    def encode(self) -> bytes: ...
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def pages(self) -> int: ...
    @property
    def warnings(self) -> list[str]: ...
    def map(self) -> str: ...

@final
class NativeReader:
    def __new__(cls, folder: str | os.PathLike[str], name: str, precision_name: str, threads: int | None) -> NativeReader: ...
    @property
    def precision(self) -> str: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def threshold(self) -> float: ...
    def threshold_of(self, options: dict[str, Any]) -> float: ...
    def question_tokens(self, question: str) -> int: ...
    def ask(
        self,
        pairs: list[tuple[str, NativeDocument]],
        options: dict[str, Any],
        strict: bool,
        progress: Callable[[int, int], object] | None,
    ) -> list[Any]: ...

def could_be_on_hub(name: str) -> bool: ...
def embedded_name(folder: str | os.PathLike[str]) -> str: ...
def fetch(
    name: str,
    offline: bool,
    token: str | None,
    on_event: Callable[[str, int | None, int | None], object],
) -> Path: ...
def draw(
    source: bytes | str | os.PathLike[str],
    page: int,
    width: int,
    name: str | None = None,
    password: str | None = None,
    child: list[str] | None = None,
) -> bytes: ...
def serve_parent() -> None: ...
def forked() -> None: ...
def cite(
    text: str | None,
    quotes: list[tuple[str, str, str | None, str | None]],
    documents: list[NativeDocument],
    unread: list[tuple[str, str]],
    min_words: int,
) -> list[str]: ...
def squad_questions(path: str | os.PathLike[str]) -> tuple[list[tuple[str, str, int, list[str]]], list[str]]: ...
def figures(
    golds: list[list[str]],
    predictions: list[str],
    null_odds: list[tuple[int, float]] | None,
    threshold: float,
) -> str: ...
