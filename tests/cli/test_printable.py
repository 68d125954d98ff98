"""A file's name is one line in every output, whatever characters it has, and the terminal obeys none of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecnn.cli.output import print_facts, print_findings
from edgecnn.data_quality.finding import Finding
from edgecnn.error_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b.jpg", "a b.jpg"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udcff\u2028", "\\udcff\\u2028"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u732b \U0001f469\u200d\U0001f52c",
            None,
        ),  # Persian, Chinese, an emoji of two
    ],
)
def test_only_what_a_terminal_obeys_is_escaped(text: str, shown: str | None) -> None:
    assert printable(text) == (text if shown is None else shown)


def test_an_answer_is_one_line_whatever_its_file_is_called(
    tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    for name in ("two\nlines.png", "\x1b[2Jgone.png"):
        shutil.copy(shapes / "circle" / "5000.png", tmp_path / name)
    done = edgecnn("predict", tiny_model, tmp_path)
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        f"{tmp_path}/\\x1b[2Jgone.png", f"{tmp_path}/two\\nlines.png",
    ]  # fmt: skip


def test_tables_escape_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("", [("label", "\x1b[2Jcat")])
    print_findings([Finding("fault", "twice", "\x1b[2Ja.png and one more of that name", "remove \x1b[2Ja.png")])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert said.count("\\x1b[2J") == 3
