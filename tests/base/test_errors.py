"""The errors a user meets, and the names a program imports."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys

import pytest

import edgecnn
from edgecnn import errors

TREE = dict(re.findall(r"[├└]── (\w+Error)(?: \((\w+)\))?", errors.__doc__ or ""))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_an_edgecnn_error_and_leaves_with_2_or_for_a_gate_with_3(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.EdgeCNNError)
    assert kind.exit_status == (3 if name == "GateError" else 2)


def test_the_module_lists_every_error_that_it_defines() -> None:
    found = {n: e for n, e in vars(errors).items() if isinstance(e, type) and issubclass(e, Exception)}
    defined = {
        name for name, kind in found.items() if kind.__name__ == name
    }  # an old name of an error is no other error
    assert set(errors.__all__) == defined


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert {*TREE, "EdgeCNNError"} == set(errors.__all__)


@pytest.mark.parametrize("name", TREE)
def test_every_error_derives_from_the_builtin_that_the_tree_names(name: str) -> None:
    kind = getattr(errors, name)
    if TREE[name]:
        assert getattr(builtins, TREE[name]) in kind.__bases__
    else:
        assert all(base.__module__ == "edgecnn.errors" for base in kind.__bases__)


def test_a_manifest_error_is_a_model_error() -> None:
    assert "│   └── ManifestError" in (errors.__doc__ or "")
    assert issubclass(errors.ManifestError, errors.ModelError)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_says_what_it_was_given_and_tells_what_to_do_in_its_docstring(name: str) -> None:
    kind = getattr(errors, name)
    assert str(kind("what: where, why; what to do")) == "what: where, why; what to do"
    assert kind.__doc__


@pytest.mark.parametrize("name", edgecnn.__all__)
def test_every_name_of_the_package_resolves(name: str) -> None:
    assert getattr(edgecnn, name) is not None
    assert name in dir(edgecnn)


def test_a_name_that_the_package_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = edgecnn.nonsense


def test_importing_the_package_loads_neither_onnxruntime_nor_opencv() -> None:
    script = "import sys, edgecnn, edgecnn.errors; print(sorted({'onnxruntime', 'cv2', 'numpy', 'torch', 'onnx', 'typer'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
