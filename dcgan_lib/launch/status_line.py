"""What a kernel prints while a notebook runs, as one line of a terminal."""

import shutil
from typing import TextIO


class StatusLine:
    """A text stream of which a terminal shows the newest line, in place, and a log shows nothing."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.terminal = stream.isatty()

    def write(self, text: str) -> None:
        lines = [line for line in text.splitlines() if line.strip()]
        if lines and self.terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + lines[-1].strip()[:width].ljust(width))

    def flush(self) -> None:
        self.stream.flush()

    def end(self) -> None:
        """Leave the line, so that what is printed next begins on its own."""
        if self.terminal:
            self.stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self.stream.flush()
