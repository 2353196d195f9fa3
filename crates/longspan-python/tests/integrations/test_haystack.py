"""The reader in a pipeline of Haystack."""

import pytest

haystack = pytest.importorskip("haystack")

from haystack import Document  # noqa: E402

import longspan  # noqa: E402
from longspan.haystack import LongspanReader  # noqa: E402

TEXTS = [
    "Bread is made from flour, water and salt. It is baked in an oven.",
    "The pump was installed in May 1911 by Ada Brown. It stopped in 1923.",
    "Huge pumps lift water.\fThe pump of Ribe was installed by Jens Lund.",
]
WHO = "Who installed the pump?"


def test_the_recipe_runs(recipe):
    names = recipe("haystack", texts=TEXTS, query=WHO)
    answers = names["answers"]
    assert answers[0].data in ("Ada Brown", "Jens Lund")
    assert any(answer.data is None for answer in answers)
    assert sorted(answers, key=lambda answer: -answer.score) == answers
    for answer in answers:
        if answer.data is not None:
            at, within = answer.document_offset, answer.context_offset
            assert answer.document.content[at.start : at.end] == answer.data
            assert answer.context[within.start : within.end] == answer.data
    again = haystack.Pipeline.loads(names["pipeline"].dumps(), allowed_modules=["longspan.haystack"])
    result = again.run({"retriever": {"query": WHO}, "reader": {"query": WHO}})
    assert result["reader"]["answers"][-1].query == WHO


def test_a_saved_pipeline_may_have_the_arguments_of_the_reader_of_transformers():
    saved = LongspanReader(top_k=1).to_dict()
    saved["init_parameters"] |= {"device": None, "max_batch_size": 8, "overlap_threshold": 0.01, "calibration_factor": 0.1}
    reader = LongspanReader.from_dict(saved)
    assert reader.run(query=WHO, documents=[Document(content=TEXTS[1])], max_batch_size=4)["answers"][0].data == "Ada Brown"
    with pytest.raises(TypeError, match="no argument 'topk'"):
        LongspanReader(topk=1)


def test_arguments_take_the_place_of_those_of_the_component():
    reader = LongspanReader(top_k=1, no_answer=True, threads=1, options={"max_answer_length": 20})
    empty = [Document(id=str(n), content=text) for n, text in enumerate(["", None, "\u200b", "\ud800"])]
    documents = [Document(content=text, meta={"page_number": 7}) for text in TEXTS] + empty
    run = lambda **given: reader.run(**{"query": WHO, "documents": documents, **given})["answers"]  # noqa: E731
    assert len(run()) == 2 and len(run(no_answer=False)) == 1 and len(run(top_k=2)) == 3
    assert run(score_threshold=2.0) == [] and len(run(score_threshold=0.0)) == 2
    pages = {answer.data: answer.meta["answer_page_number"] for answer in run(top_k=5) if answer.data}
    assert pages["Ada Brown"] == 7 and pages["Jens Lund"] == 8
    assert reader.run(query=WHO, documents=[])["answers"] == reader.run(query=WHO, documents=empty)["answers"] == []
    with pytest.raises(longspan.QuestionError):
        run(query="")
    [none] = reader.run(query=WHO, documents=documents[:1])["answers"]
    assert none.data is None and none.score > 0.5
