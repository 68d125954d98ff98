"""A waiting thread is woken by others, and a signal's exception in its midst breaks nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from edgecnn.runtime.sources.capture.frame_event import FrameEvent

PARTED = """
import signal, threading, time
from edgecnn.runtime.sources.capture.frame_event import FrameEvent

class Parted(BaseException):
    pass

parted, armed, over, news = 0, False, threading.Event(), FrameEvent()

def part(*_):
    global parted
    if armed:
        parted += 1
        raise Parted

def notify():
    while not over.is_set():
        news.notify()
        time.sleep(0.0001)

signal.signal(signal.SIGALRM, part)
ringing = threading.Thread(target=notify)
ringing.start()
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0003)
while parted < 500:
    try:
        armed = True
        news.wait(0.001)
        armed = False
    except Parted:
        armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
over.set()
ringing.join(5)
print(parted, ringing.is_alive())
"""


def test_a_notification_before_the_wait_is_heard_and_heard_once() -> None:
    news = FrameEvent()
    news.notify()
    news.notify()
    news.wait(60.0)
    begun = time.monotonic()
    news.wait(0.05)
    assert time.monotonic() - begun >= 0.04


def test_a_notification_ends_a_wait() -> None:
    news = FrameEvent()
    begun = time.monotonic()
    threading.Timer(0.05, news.notify).start()
    news.wait(60.0)
    assert time.monotonic() - begun < 30


def test_thousands_of_signals_that_raise_in_a_wait_break_neither_side() -> None:
    done = subprocess.run([sys.executable, "-c", PARTED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    parted, still_ringing = done.stdout.split()
    assert int(parted) > 100
    assert still_ringing == "False"
