"""The old name of :mod:`edgecnn.runtime.streaming.stream`, kept for programs that import it."""

from edgecnn.runtime.streaming.stream import Answered, AnswerStream, StreamOptions, answer_stream

__all__ = ["AnswerStream", "Answered", "StreamOptions", "answer_stream"]
