"""The official figures."""

import gzip
import json

import pytest

import longspan
from common import BREAD, PUMP, ROOT, WHEN, WHO

GOLDEN = ROOT / "crates" / "longspan" / "tests" / "golden" / "squad"


@pytest.mark.parametrize("file", ["official.json.gz", "real.json.gz"])
def test_figures_are_those_of_the_official_script(file):
    with gzip.open(GOLDEN / file) as opened:
        cases = json.load(opened)["cases"]
    for case in cases:
        questions = [
            question
            for article in case["data"]["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        golds = {str(one["id"]): [gold["text"] for gold in one["answers"]] for one in questions}
        figures = longspan.metrics.official(golds, case["predictions"], case["null_odds"], case["threshold"])
        assert figures == json.loads(case["expected"])


def test_figures_in_the_form_of_evaluate():
    references = [
        {"id": "a", "answers": {"text": ["Denver Broncos", "Broncos"], "answer_start": [0, 7]}},
        {"id": "b", "answers": {"text": [], "answer_start": []}},
    ]
    predictions = [
        {"id": "a", "prediction_text": "the broncos!", "no_answer_probability": 0.1},
        {"id": "b", "prediction_text": "something", "no_answer_probability": 0.9},
    ]
    # What `evaluate.load("squad_v2").compute(...)` of evaluate 0.4 returns.
    best = {"best_exact": 100.0, "best_exact_thresh": 0.1, "best_f1": 100.0, "best_f1_thresh": 0.1}
    of = lambda prefix, value, total: {f"{prefix}exact": value, f"{prefix}f1": value, f"{prefix}total": total}  # noqa: E731
    has = of("HasAns_", 100.0, 1)
    assert longspan.metrics.squad_v2(predictions, references) == {**of("", 50.0, 2), **has, **of("NoAns_", 0.0, 1), **best}
    strict = longspan.metrics.squad_v2(predictions, references, no_answer_threshold=0.5)
    assert strict == {**of("", 100.0, 2), **has, **of("NoAns_", 100.0, 1), **best}


def dataset():
    question = lambda id, text, *answers: {"id": id, "question": text, "answers": list(answers)}  # noqa: E731
    ada = {"text": "Ada Brown", "answer_start": PUMP.index("Ada")}
    may = {"text": "May 1911", "answer_start": PUMP.index("May")}
    paragraphs = [
        {"context": PUMP, "qas": [question("who", WHO, ada), question("when", WHEN, may)]},
        {"context": BREAD, "qas": [question("none", WHO), question("odd", "\n")]},
    ]
    return {"data": [{"title": "Pumps", "paragraphs": paragraphs}]}


def test_an_evaluation_gives_the_official_figures(reader, tmp_path):
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(dataset()))
    found = longspan.evaluate(reader, file)
    assert found.predictions == {"who": "Ada Brown", "when": "May 1911", "none": ""}
    assert list(found.errors) == ["odd"] and isinstance(found.errors["odd"], longspan.QuestionError)
    assert (found.figures["exact"], found.figures["total"], found.figures["NoAns_total"]) == (100.0, 3, 1)
    assert found.figures["best_f1"] == 100.0 and set(found.null_odds) == set(found.predictions)
    rows = [
        {"id": one["id"], "question": one["question"], "context": paragraph["context"],
         "answers": {"text": [gold["text"] for gold in one["answers"]]}}
        for paragraph in dataset()["data"][0]["paragraphs"] for one in paragraph["qas"]
    ]  # fmt: skip
    assert longspan.evaluate(reader, rows).figures == found.figures
    packed = tmp_path / "dev.json.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert longspan.evaluate(reader, str(packed)).figures == found.figures
    assert longspan.evaluate(reader, rows, limit=2).figures["total"] == 2
    with pytest.raises(ValueError, match="limit=-1: expected 0 or more"):
        longspan.evaluate(reader, rows, limit=-1)
    never = longspan.evaluate(reader, file, threshold=-1e9)
    assert set(never.predictions.values()) == {""} and never.figures["HasAns_exact"] == 0.0
    assert never.figures["best_exact"] == 100.0


def test_data_that_contradict_themselves_are_refused(reader, tmp_path):
    data = dataset()
    data["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 1
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(data))
    with pytest.raises(longspan.DatasetError, match="answer `Ada Brown` has answer_start 1"):
        longspan.evaluate(reader, file)


def test_two_rows_with_one_id_are_refused(reader, tmp_path):
    answers = {"text": ["Ada Brown"], "answer_start": [PUMP.index("Ada")]}
    row = {"id": 7, "question": WHO, "context": PUMP, "answers": answers}
    with pytest.raises(longspan.DatasetError, match="question `7`: another question has the same id"):
        longspan.evaluate(reader, [row, {**row, "id": "7", "context": BREAD}])
    data = dataset()
    data["data"][0]["paragraphs"][1]["qas"][0]["id"] = "who"
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(data))
    with pytest.raises(longspan.DatasetError, match="another question has the same id"):
        longspan.evaluate(reader, file)
    prediction = {"id": "7", "prediction_text": "Ada Brown", "no_answer_probability": 0.0}
    for predictions, references, twice in [([prediction] * 2, [row], "prediction"), ([prediction], [row] * 2, "reference")]:
        with pytest.raises(longspan.DatasetError, match=f"{twice} `7`: another {twice} has the same id"):
            longspan.metrics.squad_v2(predictions, references)


def test_null_odds_are_there_and_finite():
    golds, predictions = {"a": ["x"], "": []}, {"a": "x", "": "y"}
    for odds, message in [
        ({"a": 0.0}, "no null odds of question ``"),
        ({"a": float("inf"), "": 0.0}, "question `a`: null odds inf: expected a finite number"),
        ({"a": 0.0, "": float("nan")}, "question ``: null odds nan: expected a finite number"),
    ]:
        with pytest.raises(longspan.DatasetError, match=message) as raised:
            longspan.metrics.official(golds, predictions, odds)
        assert raised.value.code == "dataset"
    unasked = {"a": 0.0, "": 0.0, "b": float("nan")}  # no prediction has this id
    assert longspan.metrics.official(golds, predictions, unasked)["total"] == 2


def test_gold_answers_are_a_list(reader):
    for wrong in (
        lambda: longspan.metrics.official({"a": "1911"}, {"a": "1"}),
        lambda: longspan.evaluate(reader, [{"id": "a", "question": WHO, "context": PUMP, "answers": {"text": "Ada"}}]),
    ):
        with pytest.raises(longspan.DatasetError, match="question `a`: its gold answers are one text: expected a list"):
            wrong()


@pytest.mark.parametrize("options", [{"max_tokens": 10**6}, {"doc_stride": 10**6}, {"threshold": float("nan")}])
def test_a_wrong_option_is_no_figure(reader, options):
    with pytest.raises(longspan.OptionError):
        longspan.evaluate(reader, [{"id": "a", "question": WHO, "context": PUMP, "answers": {"text": []}}], **options)
