#!/usr/bin/env python3
"""Loads `longspan serve` with more than it can do, and checks that nothing is lost and no bit is wrong.

Mixed requests from many clients at once: short texts, uploaded documents, several questions, long texts with events, Hugging
Face's task; among them clients that leave, clients that are slow and clients that are broken. Each answer is compared with
that of `longspan ask`. It uses this machine alone. Run it in the root of the repository:

    python3 benchmarks/serve/load.py target/release/longspan --requests 10000
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

QUESTIONS = ["When was the license published?", "Who owns the copyright?", "What is a contribution?", "Who is the licensor?"]
OPTIONS = [{}, {"top_k": 3}, {"max_answer_length": 5}, {"max_tokens": 256, "doc_stride": 32}]
# Of a hundred requests.
MIX = {"text": 34, "document": 30, "several": 8, "task": 8, "events": 6, "leaves": 8, "slow": 2, "broken": 4}


def passages():
    """Short texts and two longer ones, from files of the repository."""
    licence, readme = (open(name, encoding="utf-8").read() for name in ["LICENSE", "README.md"])
    parts = [part.strip() for part in re.split(r"\n\s*\n", licence) if len(part) > 300]
    return parts[:12] + [licence, readme]


class Expected:
    """What `longspan ask` answers, once for each text, question and options."""

    def __init__(self, program, folder):
        self.program, self.folder, self.known, self.lock = program, folder, {}, threading.Lock()

    def answer(self, text, question, options):
        key = (text, question, json.dumps(options))
        with self.lock:
            if key not in self.known:
                path = os.path.join(self.folder, "text")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                given = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), str(value))]
                command = [self.program, "ask", "--json", *given, "--", question, path]
                ran = subprocess.run(command, capture_output=True, text=True)
                self.known[key] = stable(json.loads(ran.stdout))
            return self.known[key]


def stable(answer):
    """An answer without what depends on the run."""
    return {key: value for key, value in answer.items() if key not in ("seconds", "document", "document_id")}


class Load:
    def __init__(self, arguments, url, expected, texts):
        self.host, self.port = url.removeprefix("http://").rsplit(":", 1)
        self.expected, self.texts, self.arguments = expected, texts, arguments
        self.lock, self.next, self.retried = threading.Lock(), 0, 0
        self.times, self.counts, self.wrong = {}, {}, []
        self.ids = {}
        self.resident_first = None

    def connect(self):
        return http.client.HTTPConnection(self.host, int(self.port), timeout=600)

    def post(self, path, body, headers={}):
        """A request that comes again when the server has too much to do, as it should."""
        while True:
            connection = self.connect()
            connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            if response.status != 429:
                return response.status, content
            with self.lock:
                self.retried += 1
            time.sleep(random.random() * min(2, int(response.headers["Retry-After"])))

    def ask(self, body):
        status, content = self.post("/v1/ask", body)
        assert status == 200, content
        return [stable(answer) for answer in json.loads(content)["answers"]]

    def document_id(self, text):
        with self.lock:
            known = self.ids.get(text)
        if known is None:
            status, content = self.post("/v1/documents?name=text", text.encode())
            assert status in (200, 201), content
            known = json.loads(content)["document_id"]
            with self.lock:
                self.ids[text] = known
        return known

    def one(self, kind, draw):
        text, question, options = draw.choice(self.texts), draw.choice(QUESTIONS), draw.choice(OPTIONS)
        want = lambda question: self.expected.answer(text, question, options)
        if kind == "text":
            return self.ask({"question": question, "text": text, **options}), [want(question)]
        if kind == "document":
            body = {"question": question, "document_id": self.document_id(text), **options}
            return self.ask(body), [want(question)]
        if kind == "several":
            return self.ask({"questions": QUESTIONS, "text": text, **options}), [want(question) for question in QUESTIONS]
        if kind == "task":
            status, content = self.post("/", {"inputs": {"question": question, "context": text}, "parameters": {"top_k": 1, "maxAnswerLen": 30}})
            assert status == 200, content
            best = self.expected.answer(text, question, {"max_answer_length": 30})["answers"][0]
            return json.loads(content)["answer"], best["text"]
        if kind == "events":
            status, content = self.post("/v1/ask", {"question": question, "text": text, **options}, {"Accept": "text/event-stream"})
            events = [block.split("\n") for block in content.decode().split("\n\n") if block.startswith("event: ")]
            named = [(lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))) for lines in events]
            assert named[-1][0] == "done", named[-1]
            return [stable(answer) for name, answer in named if name == "answer"], [want(question)]
        body = json.dumps({"question": question, "text": text * 20}).encode()
        head = f"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection((self.host, int(self.port)), timeout=600) as stream:
            if kind == "leaves":
                stream.sendall((head + body)[: draw.choice([len(head) // 2, len(head) + 10, len(head) + len(body)])])
                time.sleep(draw.random() * 0.2)
            elif kind == "slow":
                request = head + body
                for at in range(0, len(request), 1 + len(request) // 5):
                    stream.sendall(request[at : at + 1 + len(request) // 5])
                    time.sleep(0.05)
                assert stream.recv(9) == b"HTTP/1.1 "
            else:
                stream.sendall(draw.choice([b"\0" * 100, b"GET / HTTP/9\r\n\r\n", head + b"{" * len(body), b"POST / HTTP/1.1\r\n\r\n"]))
                assert stream.recv(12)[9:10] in (b"4", b"")
        return None, None

    def run(self):
        while True:
            with self.lock:
                number = self.next
                self.next += 1
                if number == self.arguments.requests // 10:
                    self.resident_first = self.resident()
            if number >= self.arguments.requests:
                return
            draw = random.Random(self.arguments.seed * 1_000_003 + number)
            kind = draw.choices(list(MIX), list(MIX.values()))[0]
            started = time.perf_counter()
            try:
                got, wanted = self.one(kind, draw)
                fault = None if got == wanted else f"got {got}, wanted {wanted}"
            except Exception as error:
                fault = repr(error)
            with self.lock:
                self.counts[kind] = self.counts.get(kind, 0) + 1
                self.times.setdefault(kind, []).append(time.perf_counter() - started)
                if fault:
                    self.wrong.append(f"{number} {kind}: {fault[:300]}")

    def metric(self, name):
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("longspan_" + name))

    def resident(self):
        return self.metric("process_resident_memory_bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64, help="at once; the model answers about one at a time")
    parser.add_argument("--texts", type=int, default=14, help="of 14; fewer take less time to prepare")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    command = [arguments.program, "serve", "--port", "0", "--max-concurrent-requests", str(max(4, arguments.clients // 2))]
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w+") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            url = server.stdout.readline().strip()
            while subprocess.run([arguments.program, "health", url], capture_output=True).returncode:
                time.sleep(0.1)
            texts, expected = passages()[: arguments.texts], Expected(arguments.program, folder)
            for text in texts:
                for question in QUESTIONS:
                    for options in OPTIONS:
                        expected.answer(text, question, options)
            load = Load(arguments, url, expected, texts)
            started = time.perf_counter()
            workers = [threading.Thread(target=load.run) for _ in range(arguments.clients)]
            [worker.start() for worker in workers]
            [worker.join() for worker in workers]
            seconds = time.perf_counter() - started
            while load.metric("queue_tokens"):
                time.sleep(0.05)
            resident = load.resident()
            print(f"{arguments.requests} requests in {seconds:.1f} s, {arguments.requests / seconds:.1f}/s, {load.retried} told to come again")
            print(f"{load.metric('input_tokens_total') / seconds:.0f} tokens/s through the model")
            for kind, times in sorted(load.times.items()):
                times.sort()
                p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
                print(f"{kind:<9} {len(times):>6}  p50 {statistics.median(times):7.3f} s  p99 {p99:7.3f} s")
            first = load.resident_first or resident
            print(f"resident memory: {first / 1e6:.0f} MB after the first tenth, {resident / 1e6:.0f} MB at the end ({resident / first - 1:+.1%})")
            cancelled = load.metric('questions_total{outcome="cancelled"}')
            print(f"cancelled readings: {cancelled:.0f}")
            server.send_signal(signal.SIGTERM)
            print(f"exit status after SIGTERM: {server.wait(60)}")
            print(f"wrong: {len(load.wrong)}", *load.wrong[:10], sep="\n  ")
        finally:
            server.kill()
        log.seek(0)
        assert not any(question in log.read() for question in QUESTIONS), "the log has a question"
    return 1 if load.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
