"""Records the README's commands in a terminal and draws the recording as an SVG.

    pip install pyte
    python scripts/record_terminal.py --out docs/images/terminal.svg --keep recording

The commands run in a pseudo terminal, on images that ``draw_cats_and_dogs.py`` draws, and what they print is what is
drawn. pyte (a terminal emulator; only this script needs it) follows the cursor, so a progress bar is drawn as it ended.
``terminal_svg.py`` draws.

``--keep`` leaves the images, the run and the model files in a folder. ``scripts/screenshot_report`` makes the other
image of the README, from the report of a run on photographs.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path

import pyte
from rich.style import Style
from rich.text import Text
from terminal_svg import Line, draw

from edgecnn.atomic import write_text

ROWS = 300  # more than the commands print: nothing scrolls out of the terminal
MAX_BYTES = 100_000
IMAGES_A_CLASS = 150

COMMANDS = (
    "edgecnn train cats-dogs",
    "edgecnn export runs/train/1/weights/best.pt --out model.onnx",
    "edgecnn quantize model.onnx --data cats-dogs --out model.int8.onnx",
    "edgecnn verify runs/train/1/weights/best.pt model.onnx model.int8.onnx --data cats-dogs",
    "edgecnn predict model.int8.onnx cats-dogs/cat/0003.png cats-dogs/dog/0004.png",
)


class Recorder:
    """A terminal that remembers when each of its rows last changed."""

    def __init__(self, columns: int) -> None:
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._begun = time.monotonic()
        self._rows: dict[int, Line] = {}

    def feed(self, data: bytes) -> None:
        """What a program printed just now."""
        self._screen.dirty.clear()
        self._stream.feed(data)
        now = time.monotonic() - self._begun
        for row in self._screen.dirty:
            text = self._text(row)
            if row not in self._rows or self._rows[row].text != text:
                self._rows[row] = Line(text, now)

    def run(self, command: str, folder: Path) -> None:
        """Types a command at a prompt and runs it. Raises CalledProcessError."""
        self.feed(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n".encode())
        child, terminal = pty.fork()
        if child == 0:
            size = struct.pack("HHHH", ROWS, self._screen.columns, 0, 0)
            fcntl.ioctl(sys.stdin.fileno(), termios.TIOCSWINSZ, size)
            os.chdir(folder)
            program, *arguments = command.split()
            beside_python = Path(sys.executable).parent / program
            os.execve(beside_python, [program, *arguments], {**os.environ, "TERM": "xterm-256color"})
        while data := _read(terminal):
            self.feed(data)
        os.close(terminal)
        if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise subprocess.CalledProcessError(status, command)
        self.feed(b"\r\n")

    def lines(self) -> list[Line]:
        """All rows but the empty ones at the end."""
        last = max((row for row, line in self._rows.items() if line.text.plain.strip()), default=-1)
        return [self._rows.get(row, Line(Text(), 0.0)) for row in range(last + 1)]

    def _text(self, row: int) -> Text:
        cells = [self._screen.buffer[row][column] for column in range(self._screen.columns)]
        text = Text()
        for (color, bold, italic), run in groupby(cells, key=lambda cell: (cell.fg, cell.bold, cell.italics)):
            style = Style(color=_color(color), bold=bold, italic=italic)
            text.append("".join(cell.data for cell in run), style)
        text.rstrip()
        return text


def _read(terminal: int) -> bytes:
    """What the program printed; nothing when it has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end of a pseudo terminal so
        return b""


def _color(name: str) -> str | None:
    """rich's name of a color that pyte names."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return name.replace("bright", "bright_").replace("brown", "yellow")


def main() -> None:
    """Writes the SVG."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/terminal.svg"))
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="leave the images, the run and the model files in this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        drawer = Path(__file__).with_name("draw_cats_and_dogs.py")
        subprocess.run(
            [sys.executable, drawer, folder / "cats-dogs", "--count", str(IMAGES_A_CLASS)],
            check=True,
        )
        recorder = Recorder(options.columns)
        for command in COMMANDS:
            recorder.run(command, folder)
    svg = draw(recorder.lines(), options.columns, "EdgeCNN")
    if len(svg.encode()) > MAX_BYTES:
        sys.exit(f"{len(svg.encode())} bytes of SVG: more than {MAX_BYTES}; record fewer lines")
    write_text(options.out, svg)
    print(f"{options.out}: {len(svg.encode()) / 1000:.0f} kB, {len(recorder.lines())} lines")


if __name__ == "__main__":
    main()
