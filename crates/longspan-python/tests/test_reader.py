"""Questions asked of documents."""

import json
import pickle

import pytest

import longspan
from common import BREAD, MODEL, PDF, PUMP, WHEN, WHO, bits


def test_an_answer_is_a_slice_of_the_text(reader):
    document = longspan.Document("🚰🚰 " + PUMP, "pump.txt")
    answer = reader.ask(WHO, document, top_k=3)
    assert answer and answer.text == str(answer) == "Ada Brown"
    assert document.text[answer.start : answer.end] == answer.text
    assert (answer.document, answer.line, answer.page, answer.question) == ("pump.txt", 1, None, WHO)
    assert answer.sentence == "🚰🚰 The pump was installed in May 1911 by Ada Brown 🚰."
    assert answer.place == "pump.txt, line 1"
    assert 1 < len(answer.spans) <= 3 and answer.spans[0].text == answer.text
    for span in answer.spans:
        assert document.text[span.start : span.end] == span.text
    assert 0 < answer.score <= 1 and answer.null_odds < reader.threshold
    assert answer.model == reader.model == "longspan-mini (embedded)" and answer.precision == "f32"


def test_an_abstention_is_empty_and_false(reader):
    answer = reader.ask(WHO, BREAD)
    assert not answer and answer.text == str(answer) == answer.sentence == ""
    assert answer.start is answer.end is answer.page is None and answer.boxes == ()
    assert answer.score == answer.no_answer_score > 0.5 and len(answer.spans) == 1
    assert answer.to_dict()["answer"] is None


def test_the_snippet_of_the_model_card(reader):
    # https://huggingface.co/mrm8488/longformer-base-4096-finetuned-squadv2: a name, here a folder; where it prints `<s>`,
    # the answer is empty.
    ckpt = str(MODEL)
    text = "Huggingface has democratized NLP. Huge thanks to Huggingface for this."
    question = "What has Huggingface done ?"
    assert longspan.Reader(ckpt, precision="f32").ask(question, text).text == "democratized NLP"
    qa = longspan.pipeline("question-answering", model=ckpt, tokenizer=ckpt, dtype="float32")
    assert qa({"question": question, "context": text})["answer"] == "democratized NLP"
    assert longspan.Reader(ckpt, precision="f32").ask("Who painted the ceiling?", text).text == ""


def test_the_object_is_that_of_the_program(reader):
    answer = reader.ask(WHO, longspan.read(PUMP.encode(), name="pump.txt"))
    keys = (
        "document question answer score no_answer_score null_odds start end start_byte end_byte line sentence answers "
        "tokens windows model precision seconds"
    )
    assert list(answer.to_dict()) == keys.split()
    assert list(answer.to_dict()["answers"][0])[:4] == ["text", "score", "start", "end"]


def test_documents_come_as_texts_paths_bytes_and_documents(reader, tmp_path):
    path = tmp_path / "pump.html"
    path.write_text(f"<p>{PUMP}")
    sources = [PUMP, path, path.read_bytes(), longspan.read(path), longspan.Document(PUMP)]
    assert [answer.text for answer in reader.ask_many([(WHO, source) for source in sources])] == ["Ada Brown"] * 5
    for wrong in (1, bytearray(b"text")):
        with pytest.raises(TypeError, match=f"expected a Document, str, path or bytes, got {type(wrong).__name__}"):
            reader.ask(WHO, wrong)


def test_each_pair_gets_the_answer_that_it_gets_alone(reader):
    pairs = [(WHO, PUMP), (WHO, BREAD), (WHEN, PUMP), (WHO, "\n\n" + PUMP * 40), (WHEN, BREAD * 3)]
    together = reader.ask_many(pairs)
    assert [bits(answer) for answer in together] == [bits(reader.ask(*pair)) for pair in pairs]


def test_errors_take_the_place_of_answers(reader):
    pairs = [(WHO, PUMP), ("", PUMP), (WHO, " \n"), (WHO, PDF / "missing.pdf"), (WHO, PDF / "scan_alone.pdf"),
             ("why " * 5000, PUMP), ("why\ud800", PUMP), (WHO, PUMP + "\udfff"), (WHEN, PUMP)]  # fmt: skip
    outcomes = reader.ask_many(pairs, errors="return")
    assert [outcome.text for outcome in (outcomes[0], outcomes[-1])] == ["Ada Brown", "May 1911"]
    found = [(type(error), error.code) for error in outcomes[1:-1]]
    assert found == [
        (longspan.QuestionError, "empty_question"),
        (longspan.DocumentError, "empty_document"),
        (longspan.DocumentError, "unreadable"),
        (longspan.NoText, "no_text"),
        (longspan.QuestionTooLong, "question_too_long"),
        (longspan.QuestionError, "bad_question"),
        (longspan.DocumentError, "unknown_format"),
    ]
    for pair, error in zip(pairs[1:-1], outcomes[1:-1]):
        assert isinstance(error, longspan.Error)
        with pytest.raises(type(error)) as raised:
            reader.ask_many([(WHO, PUMP), pair])
        assert (str(raised.value), raised.value.code) == (str(error), error.code)
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.code, again.document) == (str(error), error.code, error.document)
    assert outcomes[3].document.endswith("missing.pdf") and isinstance(outcomes[5], ValueError)
    with pytest.raises(TypeError, match="question: expected a str, got int"):
        reader.ask_many([(1, PUMP)], errors="return")
    with pytest.raises(ValueError, match="errors="):
        reader.ask_many([], errors="ignore")
    assert reader.ask_many([]) == []


def test_options_have_the_names_of_the_program(reader):
    long = "\n".join([BREAD] * 9 + [PUMP] + [BREAD] * 9)
    for options, check in [
        ({"top_k": 2}, lambda answer: len(answer.spans) == 2),
        ({"all": True, "threshold": 1e9}, lambda answer: len(answer.spans) > 2),
        ({"threshold": -1e9}, lambda answer: not answer),
        ({"threshold": float("inf")}, lambda answer: answer),
        ({"max_tokens": 64, "doc_stride": 8}, lambda answer: answer.windows > 4),
        ({"verify_tokens": 0}, lambda answer: answer.text == "Ada Brown"),
        ({"respect_borders": True}, lambda answer: answer.text == "Ada Brown"),
        ({"max_answer_length": 1}, lambda answer: " " not in answer.spans[0].text),
        ({"global_attention": "none"}, lambda answer: answer.windows == 1),
        ({"global_attention": [0, 1]}, lambda answer: answer.windows == 1),
        ({"top_k": None, "abstain": None}, lambda answer: answer.text == "Ada Brown"),
    ]:
        assert check(reader.ask(WHO, long, **options)), options


def test_thresholds_have_names(tmp_path):
    for file in MODEL.iterdir():
        if file.name != "longspan.json":
            (tmp_path / file.name).symlink_to(file)
    settings = json.loads((MODEL / "longspan.json").read_text())
    settings["abstain"] = {"strict": -1e9, "balanced": settings["null_score_diff_threshold"], "eager": 1e9}
    (tmp_path / "longspan.json").write_text(json.dumps(settings))
    reader = longspan.Reader(tmp_path, precision="f32", threads=2)
    given = [bool(reader.ask(WHO, text, abstain=name)) for text in (PUMP, BREAD) for name in ("strict", "balanced", "eager")]
    assert given == [False, True, True, False, False, True]


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"limit_of_odds": 1}, TypeError, "unexpected option `limit_of_odds`"),
        ({"top_k": "1"}, TypeError, "`top_k`: expected an int, got str"),
        ({"top_k": 0}, longspan.OptionError, "`top_k`: 0: expected a whole number from 1 to 10000"),
        ({"doc_stride": -1}, longspan.OptionError, "`doc_stride`: -1: expected a whole number from 0"),
        ({"doc_stride": 1 << 80}, longspan.OptionError, "`doc_stride`: 1208925819614629174706176: expected"),
        ({"max_tokens": 5000}, longspan.OptionError, "max_tokens 5000: the model has positions for"),
        ({"all": True, "top_k": 2}, longspan.OptionError, "`all`: `top_k` is given too"),
        ({"abstain": "never"}, longspan.OptionError, "`abstain`: 'never': expected strict, balanced or eager"),
        ({"abstain": "strict", "threshold": 0}, longspan.OptionError, "abstain strict: the threshold 0 is given too"),
        ({"max_tokens": 4}, longspan.QuestionTooLong, "at most 0 would leave room"),
        ({"threshold": "x"}, TypeError, "`threshold`: expected a number, got str"),
        ({"threshold": float("nan")}, longspan.OptionError, "^threshold NaN"),
        ({"global_attention": "x"}, longspan.OptionError, "`global_attention`: 'x': expected question, first"),
    ],
)
def test_options_are_checked(reader, options, error, message):
    for errors in ("raise", "return"):
        with pytest.raises(error, match=message.replace("(", r"\(")):
            reader.ask_many([("", PUMP), (WHO, PUMP)][errors == "raise" :], errors=errors, **options)


@pytest.mark.parametrize(
    "arguments, error, code, message",
    [
        ({"model": "/nowhere/x"}, longspan.ModelError, "model", "`/nowhere/x`: no such folder"),
        ({"model": __file__}, longspan.ModelError, "model", "a file, not a folder"),
        ({"model": "no/such-model", "offline": True}, longspan.HubError, "hub", "no/such-model"),
        ({"model": PDF}, longspan.ModelError, "model", "config.json"),
        ({"precision": "f64"}, longspan.OptionError, "option", "expected auto, f32, bf16 or int8"),
        ({"threads": 0}, longspan.OptionError, "option", "`threads`: 0"),
    ],
)
def test_a_reader_that_cannot_be_opened_says_why(arguments, error, code, message):
    with pytest.raises(error, match=message) as raised:
        longspan.Reader(**arguments)
    assert raised.value.code == code


def test_the_model_of_the_package_has_the_name_that_the_program_gives_it(reader):
    named = longspan.Reader("embedded", precision="f32", threads=1)
    assert named.model == reader.model and bits(named.ask(WHO, PUMP)) == bits(reader.ask(WHO, PUMP))


def test_progress_is_reported_and_may_stop(reader):
    seen = []
    pairs = [(WHO, PUMP), (WHEN, PUMP * 200)]
    reader.ask_many(pairs, progress=seen.append, max_tokens=256)
    assert len(seen) > 1 and seen == sorted(seen) and seen[-1].tokens_done == seen[-1].tokens

    def stop(progress):
        raise RuntimeError(f"at {progress.tokens_done}")

    with pytest.raises(RuntimeError, match="at [1-9]"):
        reader.ask_many(pairs, progress=stop, max_tokens=256)
    assert reader.ask(WHO, PUMP).text == "Ada Brown"


def test_what_is_pickled_comes_back(reader):
    answer = reader.ask(WHO, PUMP, top_k=2)
    again = pickle.loads(pickle.dumps(answer))
    assert again == answer and hash(again) == hash(answer) and repr(again) == repr(answer)
    other = pickle.loads(pickle.dumps(reader))
    assert bits(other.ask(WHO, PUMP, top_k=2)) == bits(answer) and repr(other) == repr(reader)


def test_a_notebook_shows_the_sentence_and_escapes_it(reader):
    shown = reader.ask(WHO, "<b>The pump</b> was installed by Ada Brown in 1911.")._repr_html_()
    assert "<mark>Ada Brown</mark>" in shown and "&lt;b&gt;The pump" in shown and "<b>" not in shown
    assert "no answer" in reader.ask(WHO, BREAD)._repr_html_()
