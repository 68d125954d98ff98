"""EdgeCNN: a classifier on its own file; the folder through its stream."""

from __future__ import annotations

from edgecnn import Classifier


class Way:
    """The model file knows how an image is decoded, resized and normalised."""

    def __init__(self, model: str, threads: int) -> None:
        self.classifier = Classifier(model, ep="cpu", threads=threads)

    def one(self, path: str) -> int:
        return self.classifier(path).index

    def folder(self, folder: str) -> list[int]:
        return [prediction.index for _, prediction in self.classifier.stream(folder)]
