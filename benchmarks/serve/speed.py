#!/usr/bin/env python3
"""Measures `longspan serve`: the latency of short questions, and questions per second beside others.

    python3 benchmarks/serve/speed.py LONGSPAN SQUAD_JSON [--questions 1000] [--rounds 3] [--transformers FOLDER]

Latency of questions about single paragraphs of SQUAD_JSON, of one client: alone, beside another client that asks a book of
200,000 words again and again, and beside 16 clients that ask short questions. Then questions per second, in rounds: `longspan
eval`, the server with 8 clients, and, with --transformers, a FastAPI server with the question-answering pipeline of
transformers 4 on the same questions (`longspan convert embedded FOLDER` makes its model; it needs torch, transformers<5,
fastapi and uvicorn). It uses this machine alone.
"""

import argparse
import contextlib
import gzip
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

FASTAPI = """
import sys, torch, uvicorn
from fastapi import FastAPI
from transformers import pipeline

torch.set_num_threads(2)
qa = pipeline("question-answering", model=sys.argv[1])
app = FastAPI()

@app.get("/health")
def health(): return {}

@app.post("/ask")
def ask(body: dict): return qa(**body, handle_impossible_answer=True)

uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


def first_questions(path, count):
    """SQuAD data with the first questions, and these with their paragraphs."""
    raw = path.read_bytes()
    data = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    articles, asked = [], []
    for article in data["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            questions = paragraph["qas"][: count - len(asked)]
            asked += [(question["question"], paragraph["context"]) for question in questions]
            paragraphs += [paragraph | {"qas": questions}] if questions else []
        articles += [article | {"paragraphs": paragraphs}] if paragraphs else []
    return data | {"data": articles}, asked


class Client:
    """One connection that stays open."""

    def __init__(self, port, path="/v1/ask", names=("question", "text")):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.path, self.names = path, names

    def ask(self, question, text):
        body = json.dumps(dict(zip(self.names, (question, text))))
        while True:
            self.connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            content = response.read()
            if response.status == 200:
                return content
            assert response.status == 429, content
            time.sleep(0.05)


def latencies(client, asked):
    seconds = []
    for question, text in asked:
        start = time.perf_counter()
        client.ask(question, text)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)


@contextlib.contextmanager
def beside(port, clients, asked):
    """Clients that ask the same again and again."""
    is_over = threading.Event()

    def go_on(first):
        client, at = Client(port), first
        while not is_over.is_set():
            client.ask(*asked[at % len(asked)])
            at += 1

    threads = [threading.Thread(target=go_on, args=(7 * number,)) for number in range(clients)]
    [thread.start() for thread in threads]
    time.sleep(1)
    yield
    is_over.set()
    [thread.join() for thread in threads]


def throughput(connect, asked, clients):
    """Questions per second of some clients that share the questions."""
    lock, left = threading.Lock(), iter(asked)

    def work():
        client = connect()
        while True:
            with lock:
                one = next(left, None)
            if one is None:
                return
            client.ask(*one)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return len(asked) / (time.perf_counter() - start)


@contextlib.contextmanager
def served(command, port):
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None, f"{command[0]} ended"
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait()


def evaluated(longspan, data):
    """Questions per second of `longspan eval`, without its start."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = pathlib.Path(folder) / "data.json", pathlib.Path(folder) / "out"
        file.write_text(json.dumps(data))
        subprocess.run([longspan, "eval", file, "--out", out], capture_output=True, check=True)
        return json.loads((out / "report.json").read_text())["run"]["questions_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("longspan")
    parser.add_argument("squad_json", type=pathlib.Path)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--transformers", type=pathlib.Path)
    options = parser.parse_args()
    data, asked = first_questions(options.squad_json, options.questions)
    words = " ".join(dict.fromkeys(text for _, text in asked)).split()
    book = " ".join((words * (1 + 200_000 // len(words)))[:200_000])

    serve = [options.longspan, "serve", "--port", "8750"]
    with served(serve, 8750):
        latencies(Client(8750), asked[:20])
        for name, clients, others in [("alone", 0, asked), ("beside a book", 1, [("Who?", book)]), ("beside 16 clients", 16, asked)]:
            with beside(8750, clients, others): # the server closes connections that are idle while the book is read to its end
                found = latencies(Client(8750), asked[:200])
            p99 = found[len(found) * 99 // 100]
            print(f"{name:18} p50 {1000 * statistics.median(found):7.1f} ms  p99 {1000 * p99:7.1f} ms", flush=True)

    rates = {}
    for _ in range(options.rounds):
        rates.setdefault("longspan eval", []).append(evaluated(options.longspan, data))
        with served(serve, 8750):
            rate = throughput(lambda: Client(8750), asked, options.clients)
            rates.setdefault("longspan serve", []).append(rate)
        if options.transformers:
            few = asked[: len(asked) // 5]
            command = [sys.executable, "-c", FASTAPI, str(options.transformers), "8751"]
            with served(command, 8751):
                connect = lambda: Client(8751, "/ask", ("question", "context"))
                rate = throughput(connect, few, options.clients)
                rates.setdefault("FastAPI, transformers", []).append(rate)
    for name, found in rates.items():
        print(f"{name:22} {statistics.median(found):6.1f} questions/s ({min(found):.1f} to {max(found):.1f})")


if __name__ == "__main__":
    main()
