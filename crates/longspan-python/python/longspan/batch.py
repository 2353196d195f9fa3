"""Tables and corpora: the same class on one machine, on Ray and on Spark. It needs the package ``pyarrow``.

::

    python -m longspan.batch IN OUT        # every Parquet file of IN, each into one of OUT; run it again to resume
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from .answers import Answer
from .documents import Document, read
from .errors import Error, ModelError, OptionError
from .reader import Reader

__all__ = ["Ask", "Shard", "main"]

# What a row gains. All are nullable: an error never loses a row.
_FIELDS = [
    pa.field("answer", pa.string(), metadata={"description": "the answer; null on abstention and on an error"}),
    pa.field("score", pa.float64()),
    pa.field("no_answer_score", pa.float64()),
    pa.field("null_odds", pa.float64()),
    pa.field("start", pa.int64(), metadata={"description": "first character of the answer in the text"}),
    pa.field("end", pa.int64()),
    pa.field("page", pa.int64()),
    pa.field("sentence", pa.string()),
    pa.field("tokens", pa.int64()),
    pa.field("error", pa.string(), metadata={"description": "why the row has no answer; null if it could be asked"}),
]

# The types that a column may have. `string_view` and `binary_view` are younger than the oldest pyarrow that is supported.
_TEXTS = ("string", "large_string", "string_view", "null")
_BYTES = ("binary", "large_binary", "binary_view", "null")

# What a result keeps in its schema: the path of the file that it was made of.
_INPUT = b"longspan.input"

# Rows that are read together from a file.
_BATCH_ROWS = 256


class Ask:
    """Asks the rows of a table: each has a question and a document.

    >>> ask = Ask(context="context")
    >>> ask(pa.table({"question": ["Who built it?"], "context": ["Ada Brown built it."]}))["answer"]

    Rows with the same document share it within a table: sort by document.

    :param model: as in :class:`longspan.Reader`
    :param question: the column of questions, or with ``ask_all`` nothing
    :param context: the column of texts; or
    :param path: the column of paths of files; or
    :param content: the column of the bytes of files
    :param prefix: what the names of new columns begin with, where a table has such columns
    :param threads: to compute on; by default one for each core. On Spark and Ray, as many as a task has
    :param isolated: read files in a child process, as in :func:`longspan.read`
    :param options: of the reader (``precision``, ``offline``) and of :meth:`longspan.Reader.ask`

    It pickles as its arguments, and opens the model where it is used first.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        question: str = "question",
        context: str | None = None,
        path: str | None = None,
        content: str | None = None,
        prefix: str = "",
        threads: int | None = None,
        isolated: bool = False,
        precision: Literal["auto", "f32", "bf16", "int8"] = "auto",
        offline: bool = False,
        **options: Any,
    ) -> None:
        named = [(kind, name) for kind, name in [("context", context), ("path", path), ("content", content)] if name]
        if len(named) > 1:
            raise ValueError(f"expected one of context, path and content, got {' and '.join(kind for kind, _ in named)}")
        self._kind, self._column = named[0] if named else ("context", "context")
        self._question, self._prefix, self._isolated = question, prefix, isolated
        self._opened_as: dict[str, Any] = {"precision": precision, "offline": offline, "threads": threads}
        self._model, self._options = model, options
        self._reader: Reader | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}

    @property
    def reader(self) -> Reader:
        """The model, which is opened when it is used first."""
        if self._reader is None:
            self._reader = Reader(self._model, **self._opened_as)
        return self._reader

    def schema(self, input: pa.Schema) -> pa.Schema:
        """The schema of the answers to tables of this schema, with its metadata.

        :raises KeyError: if a column is missing
        :raises TypeError: if one has another type: questions, texts and paths are strings, ``content`` is binary
        :raises ValueError: if the table has a column of the name of a new one
        """
        new = [field.with_name(self._prefix + field.name) for field in _FIELDS]
        for name, types in ((self._question, _TEXTS), (self._column, _BYTES if self._kind == "content" else _TEXTS)):
            if name not in input.names:
                raise KeyError(f"no column `{name}`: the table has {', '.join(input.names)}")
            found = input.field(name).type
            if str(found.value_type if pa.types.is_dictionary(found) else found) not in types:
                raise TypeError(f"column `{name}`: expected {types[0]}, the table has {found}")
        for field in new:
            if field.name in input.names:
                raise ValueError(f"the table has a column `{field.name}` already: give a prefix")
        return pa.schema([*input, *new], metadata=input.metadata)

    def __call__(self, table: pa.Table) -> pa.Table:
        """The table with the columns of its answers.

        :raises OptionError: if an option does not fit the model, which every row would have
        """
        schema = self.schema(table.schema)
        outcomes = self._outcomes(table[self._question].to_pylist(), table[self._column].to_pylist())
        columns = [
            pa.array([_value(field.name, outcome) for outcome in outcomes], type=field.type) for field in _FIELDS
        ]
        return pa.Table.from_arrays([*table.columns, *columns], schema=schema)

    def stream(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same of batches, for ``mapInArrow`` of Spark."""
        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()

    def _outcomes(self, questions: list[Any], documents: list[Any]) -> list[Answer | Error]:
        known: dict[Any, Document | Error] = {}
        outcomes: list[Answer | Error] = [Error("")] * len(questions)
        pairs, rows = [], []
        for row, (question, given) in enumerate(zip(questions, documents)):
            document = known[given] if given in known else known.setdefault(given, self._document(given))
            if isinstance(document, Error):
                outcomes[row] = document
            elif question is None:
                outcomes[row] = Error("the question is null", "empty_question")
            else:
                pairs.append((question, document))
                rows.append(row)
        for row, outcome in zip(rows, self.reader.ask_many(pairs, errors="return", **self._options)):
            outcomes[row] = outcome
        return outcomes

    def _document(self, given: Any) -> Document | Error:
        try:
            if given is None:
                return Error(f"the {self._kind} is null", "empty_document")
            return Document(given) if self._kind == "context" else read(given, isolated=self._isolated)
        except Error as error:
            return error


def _value(name: str, outcome: Answer | Error) -> Any:
    if isinstance(outcome, Error):
        return str(outcome) if name == "error" else None
    if name == "answer":
        return outcome.text if outcome else None
    if name == "sentence":
        return outcome.sentence if outcome else None
    return None if name == "error" else getattr(outcome, name)


class Shard:
    """Asks a Parquet file, a shard of a corpus, and writes another one, which appears when it is whole.

    >>> Shard("out", threads=2)({"path": "in/part-0.parquet"})
    {'path': 'in/part-0.parquet', 'out': 'out/part-0.parquet', 'rows': 100, 'errors': 0, 'skipped': False, 'seconds': 9.1}

    A shard that stands in ``out`` is skipped: so a rerun resumes, and what a failure loses is the shard that was in work.
    A result keeps the path of its input in its schema, as ``longspan.input``: files of one name need folders of their own.

    :param out: the folder of results
    :param options: those of :class:`Ask`
    """

    def __init__(self, out: str | os.PathLike[str], **options: Any) -> None:
        self._out, self._ask = Path(out), Ask(**options)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Asks the shard in ``row["path"]``.

        :raises FileExistsError: if its result would take the place of another file
        """
        started, path = time.monotonic(), Path(row["path"])
        target = self._out / path.name
        result = {**row, "out": str(target), "rows": 0, "errors": 0, "skipped": _is_result(target, path)}
        if result["skipped"]:
            result["rows"] = pq.ParquetFile(target).metadata.num_rows
        else:
            result["rows"], result["errors"] = self._write(path, target)
        return {**result, "seconds": time.monotonic() - started}

    def _write(self, path: Path, target: Path) -> tuple[int, int]:
        self._out.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")  # also beside those of other machines
        rows = errors = 0
        try:
            with pq.ParquetFile(path) as shard:
                schema = self._ask.schema(shard.schema_arrow)
                schema = schema.with_metadata({**(schema.metadata or {}), _INPUT: _absolute(path)})
                with pq.ParquetWriter(draft, schema) as writer:
                    for batch in self._ask.stream(shard.iter_batches(batch_size=_BATCH_ROWS)):
                        writer.write_batch(batch)
                        rows += batch.num_rows
                        errors += batch.num_rows - batch.column(batch.num_columns - 1).null_count
            _is_result(target, path)  # another worker may have written meanwhile
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
        return rows, errors


def _absolute(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _is_result(target: Path, path: Path) -> bool:
    """Whether the result of a file stands there."""
    if not target.exists():
        return False
    if target.samefile(path):
        raise FileExistsError(f"`{target}` is the input itself: give another folder for the results")
    found = (pq.read_schema(target).metadata or {}).get(_INPUT)
    if found is None:
        raise FileExistsError(f"`{target}` is no result of this command: give another folder for the results")
    if found != _absolute(path):
        of = os.fsdecode(found)
        raise FileExistsError(f"`{target}` has the answers of `{of}`: files of one name need folders of their own")
    return True


def main(arguments: list[str] | None = None) -> int:
    """``python -m longspan.batch IN OUT``. The exit status is 1 if a shard failed."""
    parser = argparse.ArgumentParser(
        prog="python -m longspan.batch",
        description="Asks every Parquet file of IN, each into one of OUT. Run it again to resume.",
    )
    parser.add_argument("input", metavar="IN", type=Path, help="a Parquet file, or a folder of them")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder of results")
    parser.add_argument("-m", "--model", help="a folder or ORG/NAME[@REVISION] [default: longspan-mini]")
    parser.add_argument("--question", default="question", metavar="COLUMN", help="[default: question]")
    document = parser.add_mutually_exclusive_group()
    document.add_argument("--context", metavar="COLUMN", help="the texts [default: context]")
    document.add_argument("--path", metavar="COLUMN", help="paths of files")
    document.add_argument("--content", metavar="COLUMN", help="bytes of files")
    parser.add_argument("--prefix", default="", help="what the names of new columns begin with")
    parser.add_argument("--precision", default="auto", choices=["auto", "f32", "bf16", "int8"])
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--abstain", choices=["strict", "balanced", "eager"])
    parser.add_argument("--threshold", type=float, metavar="X")
    parser.add_argument("--isolated", action="store_true", help="read files in a child process")
    parser.add_argument("--offline", action="store_true")
    given = vars(parser.parse_args(arguments))
    source, out = given.pop("input"), given.pop("out")
    shards = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not shards:
        print(f"error: `{source}`: no Parquet files", file=sys.stderr)
        return 1
    shard, failed = Shard(out, **given), 0
    for number, path in enumerate(shards, 1):
        try:
            done = shard({"path": str(path)})
        except (ModelError, OptionError) as error:
            print(f"error: {error}", file=sys.stderr)  # every other shard would have it too
            return 1
        except (Error, OSError, ValueError, KeyError, TypeError) as error:
            failed += 1
            print(f"error: `{path}`: {error}", file=sys.stderr)
            continue
        how = "there already" if done["skipped"] else f"{done['errors']} errors, {done['seconds']:.1f} s"
        print(f"{number} of {len(shards)}: {path.name}: {done['rows']} rows, {how}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
