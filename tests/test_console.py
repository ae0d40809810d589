"""Standard output and error that are full, closed, or not read."""

import io
import logging
import os
import sys
import time
from contextlib import suppress

import pytest
from convdip.console import MOST_ALIKE, SparingHandler, finish_stdout, patient_stderr, tell
from convdip.terminal import status_printer


@pytest.fixture
def broken():
    """Return text streams that cannot be written to."""
    opened = []

    def make(kind):
        if kind == "left":
            reader, writer = os.pipe()
            os.close(reader)
            opened.append(os.fdopen(writer, "w"))
        else:
            opened.append(open("/dev/full" if kind == "full" else os.devnull, "w"))  # noqa: SIM115
        if kind == "closed":
            opened[-1].close()
        return opened[-1]

    yield make
    for stream in opened:
        with suppress(OSError):
            stream.close()


@pytest.mark.parametrize("kind", ["full", "closed", "left"])
def test_nothing_is_raised_by_a_stream_that_cannot_be_written(monkeypatch, broken, kind):
    monkeypatch.setattr(sys, "stderr", broken(kind))
    with patient_stderr():
        handler = SparingHandler()
        for number in range(50):
            sys.stderr.write("a line\n")
            status_printer()(f"status {number}")
            handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"a {number}", None, None))
        assert not sys.stderr.isatty()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", broken(kind))
        tell("the summary")
        finish_stdout()


def test_no_standard_error_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with patient_stderr():
        status_printer()("a line")
        assert not sys.stderr.isatty()
    assert sys.stderr is None


def test_nobody_waits_for_a_reader_who_does_not_read(monkeypatch):
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", stream)
    begun_s = time.monotonic()
    with patient_stderr():
        for number in range(20_000):
            sys.stderr.write(f"line {number} {'x' * 80}\n")
    assert time.monotonic() - begun_s < 20
    os.close(reader)
    stream.close()


def test_lines_come_whole_and_in_order(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with patient_stderr():
        for number in range(500):
            sys.stderr.write(f"line {number}\n")
        sys.stderr.write("begun")
    assert stream.getvalue() == "".join(f"line {n}\n" for n in range(500)) + "begun"


def test_a_storm_of_log_lines_is_a_few_and_a_number():
    stream = io.StringIO()
    log = logging.getLogger("storm")
    log.propagate = False
    handler = SparingHandler(stream)
    log.addHandler(handler)
    for number in range(5000):
        log.warning("%d samples are missing in the input", number)
    log.warning("something else")
    handler.close()
    log.removeHandler(handler)
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_ALIKE + 2
    assert lines[-2] == "something else"
    assert lines[-1].startswith(f"{5000 - MOST_ALIKE} more log lines")
