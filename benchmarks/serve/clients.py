#!/usr/bin/env python3
"""Asks a running `longspan serve` with Hugging Face's clients for Python and JavaScript, and checks its description.

    python3 -m venv venv && venv/bin/pip install huggingface_hub openapi-spec-validator && npm install @huggingface/inference
    longspan serve --port 8737 &
    venv/bin/python benchmarks/serve/clients.py http://127.0.0.1:8737 node_modules
"""

import json
import os
import subprocess
import sys
import urllib.request

from huggingface_hub import InferenceClient
from openapi_spec_validator import validate

QUESTION, CONTEXT = "Where do I live?", "🚰 My name is Wolfgang and I live in Berlin"

SCRIPT = """
import { questionAnswering } from "@huggingface/inference";
const [url, question, context] = process.argv.slice(2);
const one = await questionAnswering({ endpointUrl: url, inputs: { question, context } });
const two = await questionAnswering({ endpointUrl: url, inputs: { question, context }, parameters: { topK: 2, maxAnswerLen: 5 } });
console.log(JSON.stringify([one, two]));
"""


def python(url):
    client = InferenceClient(model=url)
    one = client.question_answering(question=QUESTION, context=CONTEXT)
    two = client.question_answering(question=QUESTION, context=CONTEXT, top_k=2, max_answer_len=5)
    impossible = client.question_answering(question="Who painted it?", context=CONTEXT, handle_impossible_answer=True)
    assert CONTEXT[one.start : one.end] == one.answer == "Berlin", one
    assert len(two) == 2 and two[0].answer == "Berlin", two
    assert impossible.answer == "" and impossible.start == impossible.end == 0, impossible
    print("huggingface_hub:", one, two, impossible, sep="\n  ")


def javascript(url, modules):
    path = os.path.join(os.path.dirname(os.path.abspath(modules)), "clients-of-longspan.mjs")
    with open(path, "w") as file:
        file.write(SCRIPT)
    try:
        ran = subprocess.run(["node", path, url, QUESTION, CONTEXT], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        one, two = json.loads(ran.stdout)
        print("@huggingface/inference:", one, two, sep="\n  ")
        assert one["answer"] == two["answer"] == "Berlin", ran.stdout  # it shows the first of several
    finally:
        os.remove(path)


def main(url, modules):
    python(url)
    javascript(url, modules)
    with urllib.request.urlopen(url + "/openapi.json") as reply:
        validate(json.load(reply))
    print("openapi.json is valid")


if __name__ == "__main__":
    main(*sys.argv[1:])
