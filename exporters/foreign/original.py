"""Another exporter's classifier as it came, fed as the code around it had to feed it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edgecnn.errors import ModelError
from edgecnn.preprocess import Image
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu
from exporters.foreign.grey import grey_levels
from exporters.foreign.read import ForeignModel

__all__ = ["Original"]


class Original:
    """The original file on the CPU."""

    def __init__(
        self, foreign: ForeignModel, content: bytes, mean: NDArray[np.float64], std: NDArray[np.float64], color: str
    ) -> None:
        """Opens it.

        Args:
            foreign: how it is fed and read.
            content: the file as one ONNX file.
            mean, std: in pixel values, ``[1]`` or ``[3]``.
            color: ``rgb`` or ``bgr``.

        Raises:
            ModelError: onnxruntime cannot load it.
        """
        self._foreign, self._mean, self._std, self._color = foreign, mean, std, color
        try:
            self._session = open_on_cpu(content, new_options(severity=SILENT))
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ModelError(f"{foreign.path}: onnxruntime cannot load it: {ort_reason(error)}") from error

    def __call__(self, images: Image, *, singly: bool = False) -> NDArray[Any]:
        """uint8 ``[N, H, W, 3]`` RGB -> scores ``[N, C]`` in the network's own type.

        With ``singly`` a network of a free batch gets one image at a time.

        Raises:
            ModelError: it cannot run them, or does not give a row of scores per image.
        """
        size = self._foreign.batch or (1 if singly else len(images))
        found = [self._run(images[i : i + size]) for i in range(0, len(images), size)]
        return np.concatenate(found)[: len(images)]

    def hold_batch(self, images: Image, expected: NDArray[Any]) -> ForeignModel:
        """The foreign model, whose batch is taken for fixed where several images at once get other answers than each by
        itself.

        Args:
            images: uint8 ``[N, H, W, 3]``, different ones.
            expected: their scores, found one image at a time.
        """
        if self._foreign.batch is not None:
            return self._foreign
        try:
            alike = np.allclose(self(images), expected, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(expected).max())))
        except ModelError:
            alike = False
        if not alike:
            self._foreign = replace(self._foreign, batch=1)
        return self._foreign

    def _run(self, images: Image) -> NDArray[Any]:
        foreign = self._foreign
        if foreign.batch is not None and len(images) < foreign.batch:
            images = np.concatenate([images, np.repeat(images[-1:], foreign.batch - len(images), 0)])
        batch: NDArray[Any] = images[..., ::-1] if self._color == "bgr" else images
        if foreign.channels == 1:
            batch = grey_levels(images)[..., None]
        if foreign.dtype != TensorProto.UINT8:
            batch = ((batch - self._mean) / self._std).astype(onnx.helper.tensor_dtype_to_np_dtype(foreign.dtype))
        if foreign.layout == "nchw":
            batch = batch.transpose(0, 3, 1, 2)
        try:
            (scores,) = self._session.run([foreign.output], {foreign.input: np.ascontiguousarray(batch)})
        except Exception as error:
            raise ModelError(
                f"{foreign.path}: onnxruntime cannot run it on {foreign.width} x {foreign.height} pixels: "
                f"{ort_reason(error)}"
            ) from error
        found = np.asarray(scores)
        if not found.size or found.size % len(batch) or (len(batch) > 1 and found.shape[0] != len(batch)):
            raise ModelError(
                f"{foreign.path}: the output {foreign.output} is {list(found.shape)} for {len(batch)} images; expected "
                "a row of scores per image"
            )
        return found.reshape(len(batch), -1)
