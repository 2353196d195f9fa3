"""Calls of the `question-answering` pipeline: `make.py` records what transformers makes of them, the tests compare."""

CONTEXT = "My name is Wolfgang and I live in Berlin"
PUMP = "The pump was installed in May 1911 by Ada Brown. It stopped in 1923, after a flood."
WHERE, WHO, WHEN = "Where do I live?", "Who installed the pump?", "When was the pump installed?"
LONG = " ".join(f"Paragraph {n} is about the weather of the year {1800 + n}." for n in range(60)) + " " + PUMP


class Pair:
    """As others write it: two attributes."""

    def __init__(self, question, context):
        self.question_text, self.context_text = question, context


class Rows:
    """A data set, as torch has them: rows by their number. `make.py` makes it one of torch."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, row):
        return {"question": self.pairs[row][0], "context": self.pairs[row][1]}


def generated(*pairs):
    yield from ({"question": question, "context": context} for question, context in pairs)


# (name, call): `qa` is the pipeline, `make` makes one with other arguments.
CALLS = [
    ("keywords", lambda qa, make: qa(question=WHERE, context=CONTEXT)),
    ("keywords, the other order", lambda qa, make: qa(context=CONTEXT, question=WHERE)),
    ("a dict", lambda qa, make: qa({"question": WHERE, "context": CONTEXT})),
    ("a list of one dict", lambda qa, make: qa([{"question": WHERE, "context": CONTEXT}])),
    ("a list of dicts", lambda qa, make: qa([{"question": WHERE, "context": CONTEXT}, {"question": WHO, "context": PUMP}])),
    ("a tuple of dicts", lambda qa, make: qa(({"question": WHERE, "context": CONTEXT}, {"question": WHO, "context": PUMP}))),
    ("two dicts", lambda qa, make: qa({"question": WHERE, "context": CONTEXT}, {"question": WHO, "context": PUMP})),
    ("two strings", lambda qa, make: qa(WHERE, CONTEXT)),
    ("lists", lambda qa, make: qa(question=[WHERE, WHO], context=[CONTEXT, PUMP])),
    ("lists of one", lambda qa, make: qa(question=[WHERE], context=[CONTEXT])),
    ("one context, two questions", lambda qa, make: qa(question=[WHO, WHEN], context=PUMP)),
    ("one context, one question in a list", lambda qa, make: qa(question=[WHO], context=PUMP)),
    ("create_sample", lambda qa, make: qa(qa.create_sample(question=WHO, context=PUMP))),
    ("create_sample of lists", lambda qa, make: qa(qa.create_sample(question=[WHO, WHERE], context=[PUMP, CONTEXT]))),
    ("X", lambda qa, make: qa(X={"question": WHO, "context": PUMP})),
    ("X, a list", lambda qa, make: qa(X=[{"question": WHO, "context": PUMP}, {"question": WHEN, "context": PUMP}])),
    ("data", lambda qa, make: qa(data={"question": WHO, "context": PUMP})),
    ("data, a list", lambda qa, make: qa(data=[{"question": WHO, "context": PUMP}])),
    ("a generator", lambda qa, make: qa(generated((WHO, PUMP), (WHERE, CONTEXT)))),
    ("a generator of one", lambda qa, make: qa(generated((WHO, PUMP)))),
    ("a generator of none", lambda qa, make: qa(generated())),
    ("a generator, batch_size", lambda qa, make: qa(generated((WHO, PUMP), (WHERE, CONTEXT), (WHEN, PUMP)), batch_size=2)),
    ("a generator of examples", lambda qa, make: qa(qa.create_sample(q, PUMP) for q in [WHO, WHEN])),
    ("a generator, top_k", lambda qa, make: qa(generated((WHO, PUMP), (WHEN, PUMP)), top_k=2)),
    ("an empty list", lambda qa, make: qa([])),
    ("top_k 1", lambda qa, make: qa(question=WHO, context=PUMP, top_k=1)),
    ("top_k 3", lambda qa, make: qa(question=WHO, context=PUMP, top_k=3)),
    ("topk 3", lambda qa, make: qa(question=WHO, context=PUMP, topk=3)),
    ("top_k and topk", lambda qa, make: qa(question=WHO, context=PUMP, top_k=2, topk=3)),
    ("top_k of two examples", lambda qa, make: qa(question=[WHO, WHEN], context=PUMP, top_k=2)),
    ("top_k 0", lambda qa, make: qa(question=WHO, context=PUMP, top_k=0)),
    ("top_k -1", lambda qa, make: qa(question=WHO, context=PUMP, top_k=-1)),
    ("max_answer_len 2", lambda qa, make: qa(question=WHEN, context=PUMP, max_answer_len=2)),
    ("max_answer_len 0", lambda qa, make: qa(question=WHEN, context=PUMP, max_answer_len=0)),
    ("max_seq_len", lambda qa, make: qa(question=WHO, context=PUMP, max_seq_len=256)),
    ("doc_stride", lambda qa, make: qa(question=WHO, context=PUMP, doc_stride=64)),
    ("windows", lambda qa, make: qa(question=WHO, context=LONG, max_seq_len=256, doc_stride=64)),
    ("windows by default", lambda qa, make: qa(question=WHO, context=LONG)),
    ("windows, top_k", lambda qa, make: qa(question=WHO, context=LONG, max_seq_len=256, doc_stride=64, top_k=3)),
    ("doc_stride above max_seq_len", lambda qa, make: qa(question=WHO, context=PUMP, max_seq_len=64, doc_stride=65)),
    ("max_question_len", lambda qa, make: qa(question=WHO, context=PUMP, max_question_len=64)),
    ("handle_impossible_answer", lambda qa, make: qa(question=WHO, context=PUMP, handle_impossible_answer=True)),
    ("handle_impossible_answer, none", lambda qa, make: qa(question=WHO, context=CONTEXT, handle_impossible_answer=True)),
    ("no handle_impossible_answer, none", lambda qa, make: qa(question=WHO, context=CONTEXT)),
    ("handle_impossible_answer, top_k", lambda qa, make: qa(question=WHO, context=PUMP, handle_impossible_answer=True, top_k=3)),
    ("align_to_words", lambda qa, make: qa(question=WHO, context=PUMP, align_to_words=False)),
    ("padding", lambda qa, make: qa(question=WHO, context=PUMP, padding="longest")),
    ("batch_size", lambda qa, make: qa(question=[WHO, WHEN], context=PUMP, batch_size=2)),
    ("an unknown option", lambda qa, make: qa(question=WHO, context=PUMP, unknown=1)),
    ("options of the pipeline", lambda qa, make: make(top_k=2)(question=WHO, context=PUMP)),
    ("options of the call come first", lambda qa, make: make(top_k=2)(question=WHO, context=PUMP, top_k=1)),
    ("device -1", lambda qa, make: make(device=-1)(question=WHO, context=PUMP)),
    ("another task", lambda qa, make: make(task="no-such-task")),
    ("no context", lambda qa, make: qa(question=WHO)),
    ("nothing", lambda qa, make: qa()),
    ("a dict without a context", lambda qa, make: qa({"question": WHO})),
    ("a dict without a question", lambda qa, make: qa([{"context": PUMP}])),
    ("an empty question", lambda qa, make: qa(question="", context=PUMP)),
    ("an empty context", lambda qa, make: qa(question=WHO, context="")),
    ("a question of None", lambda qa, make: qa({"question": None, "context": PUMP})),
    ("lists of two lengths", lambda qa, make: qa(question=[WHO, WHEN], context=[PUMP])),
    ("a number", lambda qa, make: qa(question=1, context=PUMP)),
    ("a list of numbers", lambda qa, make: qa([1, 2])),
    ("characters beyond ASCII", lambda qa, make: qa(question="Wo wohnt Jürgen?", context="🚰 Jürgen wohnt in Köln, in der Straße 3.")),
    ("a line feed", lambda qa, make: qa(question=WHO, context="\n" + PUMP.replace(" It", "\n\nIt"))),
    ("topk of the call comes first", lambda qa, make: make(top_k=2)(question=WHO, context=PUMP, topk=1)),
    ("top_k None", lambda qa, make: make(top_k=2)(question=WHO, context=PUMP, top_k=None)),
    ("an iterator", lambda qa, make: qa(iter(list(generated((WHO, PUMP), (WHERE, CONTEXT)))))),
    ("an iterator of one", lambda qa, make: qa(map(dict, generated((WHO, PUMP))))),
    ("a data set", lambda qa, make: qa(Rows((WHO, PUMP), (WHERE, CONTEXT)))),
]


def record(call, qa, make):
    """What comes of a call: its result, or its error."""
    try:
        result = call(qa, make)
        if hasattr(result, "__next__") or type(result).__name__ == "PipelineIterator":
            return {"iterator": list(result)}
        return {"result": result}
    except Exception as error:  # any: they are what is compared
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return {"error": kinds[0], "message": str(error)}
