"""OpenVINO: OpenCV decodes, the compiled model normalises; the folder by a queue of asynchronous requests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino
from openvino.preprocess import ColorFormat, PrePostProcessor


class Way:
    """Normalisation and layout are part of the compiled model."""

    def __init__(self, model: str, threads: int) -> None:
        cv2.setNumThreads(threads)
        core = openvino.Core()
        network = with_preprocessing(core.read_model(model))
        settings = {"INFERENCE_NUM_THREADS": threads}
        self.request = core.compile_model(
            network, "CPU", settings | {"PERFORMANCE_HINT": "LATENCY"}
        ).create_infer_request()
        self.queued = core.compile_model(network, "CPU", settings | {"PERFORMANCE_HINT": "THROUGHPUT"})

    def one(self, path: str) -> int:
        return int(self.request.infer(read(path))[0].argmax())

    def folder(self, folder: str) -> list[int]:
        paths = sorted(Path(folder).glob("*.jpg"))
        answers = [0] * len(paths)
        queue = openvino.AsyncInferQueue(self.queued)
        queue.set_callback(lambda request, i: answers.__setitem__(i, int(request.get_output_tensor().data.argmax())))
        for i, path in enumerate(paths):
            queue.start_async(read(str(path)), i)
        queue.wait_all()
        return answers


def with_preprocessing(network: openvino.Model) -> openvino.Model:
    steps = PrePostProcessor(network)
    tensor = steps.input().tensor()
    tensor.set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_color(ColorFormat.RGB).convert_element_type(openvino.Type.f32).mean(127).scale(
        128
    )
    return steps.build()


def read(path: str) -> np.ndarray:
    image = cv2.imread(path)
    scale = 256 / min(image.shape[:2])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    return image[None, top : top + 224, left : left + 224]
