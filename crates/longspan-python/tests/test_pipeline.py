"""The pipeline, beside what transformers 4.57.1 made of the same calls: see `pipeline/make.py`."""

import itertools
import json
import sys
import warnings
from pathlib import Path

import pytest

import longspan
from common import BREAD, MODEL, PUMP, WHO

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))
from calls import CALLS, Pair, record  # noqa: E402

GOLDEN = json.loads((Path(__file__).parent / "pipeline" / "calls.json").read_text())["calls"]

# What is an error there, and is answered here: an example that is no dict, and stands alone.
ANSWERED = {"create_sample"}

# Calls whose examples have several answers each.
SEVERAL = {name for name, _ in CALLS if "top" in name} | {"options of the pipeline"}


@pytest.fixture(scope="module")
def qa(reader):
    return longspan.QuestionAnsweringPipeline(reader)


def make(task="question-answering", **options):
    return longspan.pipeline(task, model=str(MODEL), dtype="float32", threads=2, **options)


def test_a_dict_of_lists_has_an_answer_for_each(qa):
    lists = {"question": [WHO, "What is bread made from?"], "context": [PUMP, BREAD]}
    assert qa(lists) == qa(**lists) and len(qa(lists)) == 2
    one = {"question": [WHO, WHO], "context": PUMP}
    assert qa(one) == qa(**one) and len(qa(one)) == 2
    with pytest.raises(ValueError, match="same lengths"):
        qa({"question": [WHO, WHO], "context": [PUMP]})


def test_errors_of_options_have_the_names_of_the_pipeline(qa):
    with pytest.raises(longspan.OptionError, match="max_seq_len.* 4096"):
        qa(question=WHO, context=PUMP, max_seq_len=5000)


def shape(value):
    """Form, types and order of a result."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    return {key: type(item).__name__ for key, item in value.items()} if isinstance(value, dict) else type(value).__name__


def best(name, value):
    """The best answer of each example, with its place."""
    if isinstance(value, dict):
        return value["answer"], value["start"], value["end"]
    if name in SEVERAL and isinstance(value[0], dict):
        return best(name, value[0])  # those behind it may overlap it there, and never do here
    return [best(name, item) for item in value]


@pytest.mark.parametrize("name, call", CALLS, ids=[name for name, _ in CALLS])
def test_calls_return_what_transformers_returned(qa, name, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own, golden = record(call, qa, make), GOLDEN[name]
    if name in ANSWERED:
        assert golden["error"] == "ValueError" and own["result"]["answer"] == "Ada Brown"
    elif "error" in golden:
        assert own.get("error") == golden["error"], own
    else:
        [(kind, result)] = golden.items()
        assert list(own) == [kind] and shape(own[kind]) == shape(result), own
        assert best(name, own[kind]) == best(name, result)


def test_every_call_is_recorded():
    assert list(GOLDEN) == [name for name, _ in CALLS] and len(CALLS) >= 60


def test_a_generator_is_read_as_its_results_are(qa):
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield {"question": WHO, "context": PUMP}

    results = qa(endless())
    assert read == []
    assert next(results)["answer"] == "Ada Brown" and read == [0]
    assert next(results)["answer"] == "Ada Brown" and read == [0, 1]
    next(qa(endless(), batch_size=3))
    assert read == [0, 1, 0, 1, 2]


def test_a_data_set_is_read_as_its_results_are(qa):
    read = []

    class Endless:
        def __len__(self):
            return sys.maxsize

        def __getitem__(self, row):
            read.append(row)
            return {"question": WHO, "context": PUMP}

    assert next(qa(Endless()))["answer"] == "Ada Brown" and read == [0]


def test_any_object_with_a_question_and_a_context_will_do(qa):
    assert qa(Pair(WHO, PUMP))["answer"] == "Ada Brown"
    assert [one["answer"] for one in qa([Pair(WHO, PUMP)] * 2)] == ["Ada Brown"] * 2


def test_it_abstains_where_it_is_asked_to(qa):
    none = qa(question=WHO, context=BREAD, handle_impossible_answer=True)
    assert (none["answer"], none["start"], none["end"]) == ("", 0, 0) and none["score"] > 0.5
    three = qa(question=WHO, context=PUMP, handle_impossible_answer=True, top_k=3)
    assert three[0]["answer"] == "Ada Brown" and len(three) == 3


def test_a_long_question_is_refused(qa):
    with pytest.raises(longspan.QuestionTooLong, match="max_question_len is 2"):
        qa(question=WHO, context=PUMP, max_question_len=2)


def test_what_has_no_meaning_warns_once():
    longspan._pipelines._warned.clear()
    with pytest.warns(UserWarning, match="`framework` has no meaning"):
        qa = make(framework="tf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(framework="tf", use_fast=True, device="cpu", torch_dtype="auto", token=True, trust_remote_code=False)
        qa(question=WHO, context=PUMP, padding="longest", num_workers=0)
    with pytest.warns(UserWarning, match="deprecated"):
        qa(question=WHO, context=PUMP, topk=1)


def test_a_folder_has_no_revision():
    assert make(revision="main").model.model == str(MODEL)


@pytest.mark.parametrize("device", [0, "cuda", "cuda:0", "mps"])
def test_a_device_that_it_does_not_compute_on_is_an_error(device):
    with pytest.raises(ValueError, match="computes on the CPU"):
        make(device=device)


def test_precisions(reader):
    for given, precision in [("float32", "f32"), ("torch.float32", "f32"), ("bfloat16", "bf16"), ("int8", "int8")]:
        qa = longspan.pipeline(model=str(MODEL), torch_dtype=given)
        assert qa.model.precision == precision and qa.task == "question-answering"
    with pytest.raises(ValueError, match="dtype='int3'"):
        longspan.pipeline(model=str(MODEL), dtype="int3")
    assert longspan.pipeline(model=reader).model is reader
