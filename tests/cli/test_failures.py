"""What a command raises becomes an exit status, also where a signal broke something on its way."""

from __future__ import annotations

import signal

import pytest

from edgecnn.cli import failures
from edgecnn.cli.failures import exit_status, interrupt
from edgecnn.cli.output import note
from edgecnn.cli.prediction_lines import line_writer
from edgecnn.errors import DataError, Stopped, UsageError
from edgecnn.runtime.decision import Missing, Prediction


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_error_that_a_signal_made_of_the_program_ends_it_as_the_signal_does(
    how: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "_signals", [])

    def parted() -> int:
        try:
            interrupt(how, None)
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    assert exit_status(parted) == status
    assert "internal error" not in capsys.readouterr().err


def test_an_error_without_a_signal_keeps_its_own_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "_signals", [])

    def refused() -> int:
        raise UsageError("no such thing; try another")

    assert exit_status(refused) == 2
    assert capsys.readouterr().err == "edgecnn: error: no such thing; try another\n"


def test_what_another_run_can_continue_says_so_and_ends_as_the_signal_does(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> int:
        raise Stopped(143, "the same command goes on")

    with pytest.raises(SystemExit) as ended:
        exit_status(stopped)
    assert ended.value.code == 143
    assert capsys.readouterr().err == "edgecnn: stopped; the same command goes on\n"


def test_bytes_of_a_file_name_reach_no_terminal_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> int:
        raise DataError("a\x1b[2Jb\x00\udcff\nsecond line; rename it")

    assert exit_status(failing) == 2
    assert capsys.readouterr().err == "edgecnn: error: a\\x1b[2Jb\\x00\\udcff second line; rename it\n"


def test_notes_and_answers_are_one_line_each_whatever_a_name_or_a_reason_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note("skipped a\nb\x1b[2J.png: \x00")
    line_writer("text")(Prediction.unavailable(Missing("error", "two\nlines \x1b[31m", "b.png", 0), "cpu", "0"))
    captured = capsys.readouterr()
    assert captured.err == "skipped a\\nb\\x1b[2J.png: \\x00\n"
    assert captured.out == "b.png: error: two\\nlines \\x1b[31m\n"
