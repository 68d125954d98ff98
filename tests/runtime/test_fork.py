"""A classifier in a forked process, and one that is sent to another process."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from edgecnn import Classifier
from edgecnn.errors import EdgeCNNError, ModelError, ProviderError
from edgecnn.runtime.session.run_options import RunOptions

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is Unix's")

# Ends the child as gunicorn does, by sys.exit: Python then frees what is left
_PROGRAM = """
import os, sys, time
import numpy as np
from edgecnn import Classifier, EdgeCNNError
model, what = sys.argv[1:3]
image = np.full((40, 40, 3), 90, np.uint8)
classifier = Classifier(model, ep="cpu", threads=2)
expected = classifier(image).top
stream = classifier.stream("fake:32x32@20", *sys.argv[3:])
next(stream)
child = {fork}
if child == 0:
    {child}
    sys.exit(0)
for _ in range(600):
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    sys.exit("the child hangs")
stream.close()
assert classifier(image).top == expected
sys.exit(os.waitstatus_to_exitcode(status))
"""


# As uWSGI does unless it is told otherwise: in C, so that no hook of os.register_at_fork runs
_FORK_IN_C = "__import__('ctypes').PyDLL(None).fork()"


def run_forked(model: Path, child: str, fork: str = "os.fork()") -> subprocess.CompletedProcess[str]:
    program = _PROGRAM.replace("{fork}", fork)
    program = program.replace("{child}", textwrap.indent(textwrap.dedent(child), "    ").strip())
    done = subprocess.run(
        [sys.executable, "-c", program, str(model), "x"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@needs_fork
def test_a_forked_child_that_does_not_use_it_ends_in_order(tiny_model: Path) -> None:
    run_forked(tiny_model, "pass")


@needs_fork
def test_a_forked_child_gives_the_parents_answers_and_closes_it(tiny_model: Path) -> None:
    run_forked(
        tiny_model,
        """
        os.chdir("/")
        assert classifier(image).top == expected
        assert [p.top for p in classifier.batch([image, image])] == [expected, expected]
        classifier.close()
        """,
    )


@needs_fork
@pytest.mark.parametrize(
    "child",
    ["pass", "classifier.close()", "assert classifier(image).top == expected"],
    ids=["unused", "closed", "used"],
)
def test_a_child_that_was_forked_in_c_does_the_same(child: str, tiny_model: Path) -> None:
    run_forked(tiny_model, child, _FORK_IN_C)


@needs_fork
def test_a_child_of_a_child_gives_them_too(tiny_model: Path) -> None:
    run_forked(
        tiny_model,
        """
        assert classifier(image).top == expected
        grandchild = os.fork()
        if grandchild == 0:
            assert classifier(image).top == expected
            sys.exit(0)
        assert os.waitpid(grandchild, 0)[1] == 0
        """,
    )


@needs_fork
def test_threads_of_a_child_open_it_once(tiny_model: Path) -> None:
    run_forked(
        tiny_model,
        """
        from concurrent.futures import ThreadPoolExecutor
        from edgecnn.runtime.session import opening
        opened = []
        start = opening.start_engine
        opening.start_engine = lambda *a: opened.append(1) or start(*a)
        with ThreadPoolExecutor(4) as pool:
            assert all(p.top == expected for p in pool.map(classifier, [image] * 8))
        assert len(opened) == 1, opened
        """,
    )


@needs_fork
def test_a_file_that_changed_before_the_child_used_it_is_not_taken_for_the_same(
    tiny_model: Path, tiny_int8_model: Path, tmp_path: Path
) -> None:
    path = shutil.copy(tiny_model, tmp_path / "model.onnx")
    run_forked(
        path,
        f"""
        import shutil
        shutil.copy({str(tiny_int8_model)!r}, model)
        try:
            classifier(image)
        except EdgeCNNError as error:
            assert "changed since the classifier was opened" in str(error), error
        else:
            sys.exit(3)
        """,
    )


@needs_fork
def test_a_stream_of_the_parent_says_in_the_child_that_it_cannot_be_used(tiny_model: Path) -> None:
    run_forked(
        tiny_model,
        """
        try:
            next(stream)
        except EdgeCNNError as error:
            assert "open one in the forked process" in str(error), error
        else:
            sys.exit(3)
        stream.close()
        """,
    )


@needs_fork
def test_a_camera_of_the_parent_says_so_too(tiny_model: Path) -> None:
    run_forked(
        tiny_model,
        """
        source = __import__("gc").get_objects
        from edgecnn.runtime.sources.capture.live import LiveSource
        (live,) = [o for o in source() if isinstance(o, LiveSource)]
        try:
            next(live)
        except EdgeCNNError as error:
            assert "before this process was forked" in str(error), error
        else:
            sys.exit(3)
        """,
    )


def test_another_provider_than_the_cpu_says_what_to_do_instead(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on CUDA, whose driver cannot be used in a forked process."""
    classifier = Classifier(tiny_model, ep="cpu")
    monkeypatch.setattr(classifier.session, "_open_again", None)
    monkeypatch.setattr(classifier.session, "_process", os.getpid() + 1)
    with pytest.raises(ProviderError, match="does not work in a forked process; .* spawn"):
        classifier(np.zeros((32, 32, 3), np.uint8))


def test_it_is_pickled_as_its_path_and_its_arguments(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny_model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    options = RunOptions(threads=1, power="low")
    first = Classifier(
        "model.onnx", ep="cpu", threshold=0.25, topk=1, deny={"square"}, max_pixels=99_999, options=options
    )
    sent = pickle.dumps(first)
    assert len(sent) < 2_000
    monkeypatch.chdir("/")
    second = pickle.loads(sent)
    assert type(second) is Classifier
    assert (second.threshold, second.max_pixels, second.allowed_indices) == (0.25, 99_999, first.allowed_indices)
    image = np.full((40, 40, 3), 90, np.uint8)
    assert second(image).top == first(image).top
    assert len(second(image).top) == 1


def test_spawned_processes_classify_with_a_pickled_classifier(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            import numpy as np
            from edgecnn import Classifier
            if __name__ == "__main__":
                classifier = Classifier(sys.argv[1], ep="cpu")
                images = [np.full((40, 40, 3), shade, np.uint8) for shade in (0, 90)]
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    found = pool.map(classifier, images)
                assert [p.top for p in found] == [classifier(image).top for image in images]
            """
        )
    )
    subprocess.run([sys.executable, tmp_path / "program.py", tiny_model], check=True, timeout=120)


def test_a_pickle_of_another_file_is_refused(tiny_model: Path, tiny_int8_model: Path, tmp_path: Path) -> None:
    path = shutil.copy(tiny_model, tmp_path / "model.onnx")
    sent = pickle.dumps(Classifier(path, ep="cpu"))
    shutil.copy(tiny_int8_model, path)
    with pytest.raises(ModelError, match="changed since"):
        pickle.loads(sent)


def test_a_closed_classifier_is_not_pickled(tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu")
    classifier.close()
    with pytest.raises(EdgeCNNError, match="is closed"):
        pickle.dumps(classifier)
