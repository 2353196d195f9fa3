"""Threads, signals, forks: what a native module can break."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

import longspan
from common import BREAD, MODEL, PUMP, WHEN, WHO, bits

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals or fork")


def test_other_threads_run_beside_a_pass(reader):
    counts, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    at_passes = []
    try:
        reader.ask_many([(WHO, PUMP * 300)], progress=lambda _: at_passes.append(counts[0]), max_tokens=256)
    finally:
        stop.set()
        thread.join()
    between = [after - before for before, after in zip(at_passes, at_passes[1:])]
    assert len(between) > 1 and max(between) > 1000, between


@pytest.fixture
def count():
    """Counts as often as a thread runs that never takes the GIL by force, and gives it away at once."""
    counts, stop, interval = [0], threading.Event(), sys.getswitchinterval()

    def count():
        while not stop.is_set():
            counts[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    sys.setswitchinterval(1000.0)
    yield counts
    sys.setswitchinterval(interval)
    stop.set()
    thread.join()


TEXT = PUMP * 20_000
NATIVE = longspan.read(TEXT.replace("The", "<p>The").encode(), format="html")._native
ENCODED = NATIVE.encode()


@pytest.mark.parametrize(
    "call",
    [
        lambda reader: NATIVE.of_text("x", TEXT),
        lambda reader: NATIVE.encode(),
        lambda reader: NATIVE.decode("x", ENCODED),
        lambda reader: NATIVE.map(),
        lambda reader: reader._native.question_tokens(TEXT),
    ],
)
def test_other_threads_run_beside_a_large_text(reader, call, count):
    for _ in range(1000):
        before = count[0]
        call(reader)
        if count[0] > before:
            return
    pytest.fail("no other thread ran")


def test_eight_threads_share_a_reader(reader):
    pairs = [(WHO, PUMP), (WHEN, PUMP * 4), (WHO, BREAD), (WHEN, "Bread. " + PUMP)]
    expected = [bits(reader.ask(*pair)) for pair in pairs]
    found = {}

    def ask(number):
        found[number] = [bits(reader.ask(*pair)) for pair in pairs]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == {number: expected for number in range(8)}


@unix
def test_ctrl_c_ends_an_answer(reader):
    # It is sent as soon as the model has begun; the text is too long to be read meanwhile.
    # Where the signal is ignored, as in the background of a script, Python does not handle it by itself.
    script = f"""
import signal, sys, longspan
signal.signal(signal.SIGINT, signal.default_int_handler)
reader = longspan.Reader({str(MODEL)!r}, precision="f32", threads=1)
text = {PUMP!r} * 2_000
def begun(progress):
    print("begun", flush=True)
try:
    reader.ask_many([({WHO!r}, text)], progress=begun, max_tokens=256)
except KeyboardInterrupt:
    print("interrupted", reader.ask({WHO!r}, {PUMP!r}).text, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGINT)
    rest = child.stdout.read().splitlines()
    assert rest[-1] == "interrupted Ada Brown" and child.wait() == 0


def ask_elsewhere(reader):
    return bits(reader.ask(WHO, PUMP))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_reader_works_in_another_process(reader, method):
    expected = bits(reader.ask(WHO, PUMP))
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(ask_elsewhere, [reader] * 3) == [expected] * 3
    assert bits(reader.ask(WHO, PUMP)) == expected


@unix
def test_a_fork_uses_the_reader_of_its_parent(reader):
    document = longspan.Document(PUMP)
    expected = bits(reader.ask(WHO, document))  # the threads of the parent have started
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        try:
            found = bits(reader.ask(WHO, document)), bits(longspan.Reader(MODEL, precision="f32").ask(WHO, PUMP))
            os.write(target, pickle.dumps(found))
        finally:
            os._exit(0)
    os.close(target)
    with os.fdopen(source, "rb") as pipe:
        own, other = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    assert own == expected and other["answers"] == expected["answers"]
    assert bits(reader.ask(WHO, document)) == expected


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_nothing_leaks(reader):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def work(times):
        for number in range(times):
            reader.ask_many([(WHO, PUMP), ("", PUMP), (WHEN, f"{number} {PUMP}")], errors="return", top_k=3)
            longspan.cite(["installed in 1911"], [longspan.Document(PUMP * 100)])
            longspan.Document("a" * 100_000).text

    work(20)
    before = resident()
    work(60)
    assert resident() - before < 8 << 20
