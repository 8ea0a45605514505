"""A first signal is a request, a second one an order; afterwards the first one takes its course."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from jptextclf.interruption import stop_requests


class Ended(BaseException):
    pass


@pytest.fixture
def ending():
    def end(number, frame):
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_block_is_finished_before_a_signal_takes_its_course(ending, number):
    done = []
    with pytest.raises(Ended) as caught, stop_requests() as request:
        os.kill(os.getpid(), number)
        assert request
        done.append(request.number)
    assert done == [number]
    assert caught.value.args == (number,)


def test_a_second_signal_acts_at_once(ending):
    done = []
    with pytest.raises(Ended) as caught, stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("after")
    assert done == []
    assert caught.value.args == (signal.SIGTERM,)


def test_without_a_signal_the_handlers_are_as_before(ending):
    before = signal.getsignal(signal.SIGINT)
    with stop_requests() as request:
        assert signal.getsignal(signal.SIGINT) is not before
    assert not request
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_ignored_stays_ignored(ending):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_requests() as request:
        os.kill(os.getpid(), signal.SIGINT)
    assert not request


def test_another_thread_notes_nothing_and_works():
    found = []

    def work():
        with stop_requests() as request:
            found.append(bool(request))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_an_error_in_the_block_is_not_hidden_by_a_request(ending):
    with pytest.raises(ValueError, match="mine"), stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("mine")


def test_a_plain_program_ends_as_the_signal_says():
    code = """
import os, signal
from jptextclf.interruption import stop_requests
with stop_requests():
    os.kill(os.getpid(), signal.SIGTERM)
    print("finished", flush=True)
print("never")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "finished\n"
    assert done.returncode == -signal.SIGTERM
