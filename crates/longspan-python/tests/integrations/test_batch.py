"""Tables on one machine, on Ray and on Spark, with a failure in the middle. 400 documents; `pytest -s` prints the times."""

import os
import pickle
import subprocess
import sys
import time

import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

import longspan  # noqa: E402
from longspan.batch import Ask, Shard  # noqa: E402

WHO = "Who installed the pump?"
ROWS, SHARDS = 400, 20
PDF = "crates/longspan-documents/tests/golden/pdf/pages.pdf"


def text(number):
    if number % 100 == 7:
        return None  # a row that cannot be asked
    text = "The pump was installed in May 1911 by Ada Brown. It stopped in 1923." if number % 2 else "Bread is baked in an oven."
    return f"{text} This is page {number} of the book."


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for shard in range(SHARDS):
        ids = list(range(shard * ROWS // SHARDS, (shard + 1) * ROWS // SHARDS))
        table = pa.table({"id": ids, "question": [WHO] * len(ids), "context": [text(id) for id in ids]})
        pq.write_table(table, folder / f"part-{shard:02}.parquet")
    return folder


def check(rows):
    """Every row is there once, with its answer or its error."""
    rows = sorted(rows, key=lambda row: row["id"])
    assert [row["id"] for row in rows] == list(range(ROWS))
    for row in rows:
        expected = "Ada Brown" if row["id"] % 2 and row["id"] % 100 != 7 else None
        assert row["answer"] == expected, row
        assert (row["error"] is not None) == (row["id"] % 100 == 7), row


def rows_of(folder):
    return pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("*.parquet"))]).to_pylist()


def test_a_table_gains_its_answers():
    table = pa.table({"question": [WHO, None, WHO], "context": [text(1), text(1), text(2)], "more": [1, 2, 3]})
    answers = Ask(threads=1, precision="f32")(table)
    assert answers.schema == Ask().schema(table.schema) and answers["more"].to_pylist() == [1, 2, 3]
    assert answers["answer"].to_pylist() == ["Ada Brown", None, None]
    first = answers.to_pylist()[0]
    assert text(1)[first["start"] : first["end"]] == "Ada Brown" and first["sentence"] == "The pump was installed in May 1911 by Ada Brown."
    assert answers["error"].to_pylist() == [None, "the question is null", None]
    with pytest.raises(KeyError, match="no column `context`"):
        Ask()(pa.table({"question": [WHO]}))
    with pytest.raises(ValueError, match="column `answer` already: give a prefix"):
        Ask()(table.append_column("answer", [["x"] * 3]))
    assert "a_answer" in Ask(prefix="a_")(table).column_names


@pytest.mark.parametrize(
    "options, column, values, message",
    [
        ({}, "context", [7], "column `context`: expected string, the table has int64"),
        ({}, "question", [7], "column `question`: expected string, the table has int64"),
        ({"path": "path"}, "path", [b"a.pdf"], "column `path`: expected string, the table has binary"),
        ({"content": "content"}, "content", ["a.pdf"], "column `content`: expected binary, the table has string"),
    ],
)
def test_columns_have_types(options, column, values, message, tmp_path, capsys):
    table = pa.table({"question": [WHO], "context": [text(1)], "path": ["a.pdf"], "content": [b"a"]} | {column: values})
    with pytest.raises(TypeError, match=message):
        Ask(**options)(table)
    pq.write_table(table, tmp_path / "a.parquet")
    arguments = [str(tmp_path / "a.parquet"), str(tmp_path / "out"), *[part for key in options for part in ("--" + key, key)]]
    assert longspan.batch.main(arguments) == 1 and message in capsys.readouterr().err


def test_texts_may_be_nulls_large_or_in_a_dictionary():
    table = pa.table({"question": pa.nulls(1), "context": pa.array([text(1)], pa.large_string()).dictionary_encode()})
    assert Ask(threads=1)(table)["error"].to_pylist() == ["the question is null"]


def test_a_shard_takes_no_other_shard_s_place(tmp_path):
    table = pa.table({"question": [WHO], "context": [text(1)]})
    one, other = tmp_path / "d=1" / "part-0.parquet", tmp_path / "d=2" / "part-0.parquet"
    for path in (one, other):
        path.parent.mkdir()
        pq.write_table(table, path)
    shard = Shard(tmp_path / "out", threads=1)
    assert [shard({"path": str(one)})["skipped"] for _ in range(2)] == [False, True]
    with pytest.raises(FileExistsError, match="files of one name need folders of their own"):
        shard({"path": str(other)})
    assert not list((tmp_path / "out").glob("*.part"))
    with pytest.raises(FileExistsError, match="is no result of this command"):
        Shard(tmp_path / "d=2", threads=1)({"path": str(one)})


def test_what_a_schema_says_is_kept(tmp_path):
    table = pa.table({"question": [WHO], "context": [text(1)]}).replace_schema_metadata({"huggingface": "{}"})
    assert Ask(threads=1)(table).schema.metadata == table.schema.metadata == Ask().schema(table.schema).metadata
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    Shard(tmp_path / "out", threads=1)({"path": str(path)})
    expected = {b"huggingface": b"{}", b"longspan.input": os.fsencode(path)}
    assert pq.read_schema(tmp_path / "out" / "a.parquet").metadata == expected


def test_a_wrong_option_ends_the_work(source, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(longspan.OptionError, match="max_tokens 1000000"):
        Shard(out, threads=1, max_tokens=10**6)({"path": str(source / "part-00.parquet")})
    assert longspan.batch.main([str(source), str(out), "--threshold", "nan"]) == 1
    assert capsys.readouterr().err == "error: threshold NaN: expected a number\n" and not list(out.iterdir())


def test_the_input_is_never_the_output(source, capsys):
    before = {path: path.read_bytes() for path in source.iterdir()}
    assert longspan.batch.main([str(source), str(source)]) == 1
    assert capsys.readouterr().err.count("is the input itself") == SHARDS
    assert {path: path.read_bytes() for path in source.iterdir()} == before


def test_documents_are_paths_or_bytes():
    with open(PDF, "rb") as file:
        table = pa.table({"question": ["How deep is it?"] * 2, "path": [PDF, "missing.pdf"], "content": [file.read(), b"\0\0"]})
    for column in ("path", "content"):
        rows = Ask(**{column: column}, threads=1, threshold=1e9)(table).to_pylist()
        assert (rows[0]["answer"], rows[0]["page"]) == ("12 m deep", 3) and rows[1]["error"]
    with pytest.raises(ValueError, match="one of context, path and content"):
        Ask(path="path", content="content")


def test_a_class_that_was_used_pickles():
    ask, table = Ask(threads=1), pa.table({"question": [WHO], "context": [text(1)]})
    assert ask(table)["answer"] == pickle.loads(pickle.dumps(ask))(table)["answer"]


def test_one_machine_resumes(source, tmp_path):
    out = tmp_path / "out"
    whole = (source / "part-05.parquet").read_bytes()
    (source / "part-05.parquet").write_bytes(whole[:-20])  # the failure
    command = [sys.executable, "-m", "longspan.batch", str(source), str(out), "--threads", "1"]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1 and "error: " in failed.stderr and "part-05" in failed.stderr
    assert len(list(out.iterdir())) == SHARDS - 1
    (source / "part-05.parquet").write_bytes(whole)
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and again.stderr.count("there already") == SHARDS - 1, again.stderr
    check(rows_of(out))


def failing():
    """A class that fails at one shard once. It is made here, so that it pickles by value: workers cannot import this file."""

    class Failing(Shard):
        def __call__(self, row):
            mark = self._out / "failed"
            if "part-11" in row["path"] and not mark.exists():
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
                raise RuntimeError("a failure in the middle")
            return super().__call__(row)

    return Failing


def test_ray_resumes_shards(source, tmp_path, recipe, monkeypatch):
    ray = pytest.importorskip("ray")
    for workers in (1, 2):
        out, started = tmp_path / f"out-{workers}", time.monotonic()
        with monkeypatch.context() as patched:
            patched.setattr(longspan.batch, "Shard", failing())
            with pytest.raises(Exception, match="a failure in the middle"):
                recipe("ray-shards", source=source, out=out, workers=workers)
        kept = len(list(out.glob("*.parquet")))
        names = recipe("ray-shards", source=source, out=out, workers=workers)
        assert names["rows"] == ROWS and not list(out.glob("*.part"))
        check(rows_of(out))
        print(f"\nRay, {workers} workers: {kept} of {SHARDS} shards survived; {time.monotonic() - started:.1f} s in all")
    ray.shutdown()


def test_ray_asks_a_table(source, recipe):
    ray = pytest.importorskip("ray")
    check(recipe("ray-table", source=source, workers=1)["answers"].take_all())
    ray.shutdown()


def test_spark_resumes_by_id(source, tmp_path, recipe):
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    for workers in (1, 2):
        spark = SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", "false").getOrCreate()
        out, started = tmp_path / f"out-{workers}", time.monotonic()
        some = tmp_path / f"some-{workers}"
        some.mkdir()
        for shard in sorted(source.iterdir())[:7]:
            (some / shard.name).symlink_to(shard)
        recipe("spark", spark=spark, source=some, out=out, workers=workers)  # what a job left that has failed
        recipe("spark", spark=spark, source=source, out=out, workers=workers)
        check(rows_of(out))
        print(f"\nSpark, {workers} workers: {time.monotonic() - started:.1f} s")
        spark.stop()
