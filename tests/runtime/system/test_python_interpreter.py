"""Child processes are started with Python, whatever program this Python is a part of."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest

import edgecnn
from edgecnn import Classifier, open_source
from edgecnn.errors import ModelError, SourceError
from edgecnn.runtime.admission import verdict_cache
from edgecnn.runtime.providers.availability import missing_in
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.sources import LiveOptions
from edgecnn.runtime.sources.drivers.table import DRIVERS
from edgecnn.runtime.system import python_interpreter
from edgecnn.runtime.system.python_interpreter import NoInterpreterError, find_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
NOWHERE = "/nowhere"
PACKAGE = Path(edgecnn.__file__).parent


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is known, and no interpreter is."""
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verdict_cache, "_here", {})
    monkeypatch.delenv("EDGECNN_PYTHON", raising=False)
    python_interpreter._beside_the_library.cache_clear()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``sys.executable`` is a program that writes down each start; returns where."""
    started = tmp_path / "started"
    started.touch()
    monkeypatch.setattr(sys, "executable", str(script(tmp_path / "host", f'echo "$@" >> {started}')))
    return started


@pytest.fixture
def no_interpreter(host: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nor is there one beside the standard library, as in a frozen program."""
    monkeypatch.setattr(python_interpreter, "_candidates", lambda: iter(()))
    return host


def script(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "is_python"),
    [
        *(
            (name, True)
            for name in ("python", "python3", "python3.11", "python3.14t", "python3-dbg", "pythonw.exe", "pypy3.10")
        ),
        *((name, False) for name in ("uwsgi", "gunicorn", "my-python", "python-host", "pythonista", "app.exe", "")),
    ],
)
def test_python_is_known_by_its_name(name: str, is_python: bool) -> None:
    assert python_interpreter._is_named_python(f"/opt/bin/{name}" if name else name) is is_python


@pytest.mark.parametrize("frozen", [True, False])
def test_a_host_program_is_never_started_where_its_python_is_found(
    frozen: bool, host: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uWSGI and other embedders: the interpreter that the standard library came with."""
    if frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    Classifier(tiny_model, ep="cpu")
    with open_source("fake:32x32", live=LiveOptions(fail_fast=True)) as source:
        assert next(source).image.shape == (32, 32, 3)
    assert missing_in(Path(NOWHERE)) is not None  # it was tried
    assert host.read_text() == ""


def test_without_one_the_message_names_every_way_out(no_interpreter: Path, tiny_model: Path) -> None:
    with pytest.raises(
        ModelError, match=r"not a Python interpreter; set EDGECNN_PYTHON .*freeze_support\(\) .*admission='rules'"
    ):
        Classifier(tiny_model, ep="cpu")
    with (
        pytest.raises(SourceError, match="not a Python interpreter; set EDGECNN_PYTHON"),
        open_source("fake:32x32") as source,  # at once, though not told to fail fast: another try cannot help
    ):
        next(source)
    assert missing_in(Path(NOWHERE)) is None
    assert no_interpreter.read_text() == ""


def test_edgecnn_python_names_one(
    no_interpreter: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path(sys.prefix) / "bin" / "python3"
    used = tmp_path / "used"
    monkeypatch.setenv("EDGECNN_PYTHON", str(script(tmp_path / "wrapped", f'echo "$@" >> {used}; exec {real} "$@"')))
    Classifier(tiny_model, ep="cpu")
    assert "edgecnn.runtime.admission.sandbox" in used.read_text()
    assert no_interpreter.read_text() == ""


@pytest.mark.parametrize("named", ["/nowhere/python3", "host", "folder"])
def test_edgecnn_python_that_is_not_python_is_refused(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    script(tmp_path / "host", "echo 3 11")
    monkeypatch.setenv("EDGECNN_PYTHON", str(tmp_path / named))
    with pytest.raises(NoInterpreterError, match=r"EDGECNN_PYTHON is .*, which is not a Python 3\.\d+ interpreter"):
        find_python()


def test_an_interpreter_of_another_version_is_not_taken(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its compiled modules are of no use to this one's packages."""
    other = script(tmp_path / "python3", "echo 2 7 cpython")
    monkeypatch.setattr(python_interpreter, "_candidates", lambda: iter([str(other)]))
    with pytest.raises(NoInterpreterError):
        find_python()


def test_the_structure_alone_is_checked_by_explicit_choice(
    no_interpreter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    Classifier(tiny_model, ep="cpu", options=RunOptions(admission="rules"))
    assert not list((tmp_path / "cache").rglob("*.json")), "the rules alone do not show that a model runs"
    with pytest.raises(ModelError, match="not a Python interpreter"):  # the next one that does not choose so
        Classifier(tiny_model, ep="cpu")


FROZEN = """
    import sys
    sys.frozen, sys.executable = True, {program!r}
    from edgecnn import freeze_support
    freeze_support()
    print("the program itself runs", flush=True)
    from edgecnn import Classifier, open_source
    from edgecnn.runtime.system import python_interpreter
    python_interpreter._candidates = lambda: iter(())
    Classifier({model!r}, ep="cpu")
    with open_source("fake:32x32") as source:
        print(next(source).image.shape)
    from edgecnn.serving.teaching.order import TeachingOrder
    from edgecnn.serving.teaching.process import TeachingProcess
    teaching = TeachingProcess(TeachingOrder(
        kind="teach", model={model!r}, sha256="of another file", labelled="", chosen=(), unlabelled=(), out="",
        replace=False, max_drop=0, label_next=0, nice=0,
    ))
    print(teaching.run(print).reason.partition(";")[0])
    teaching.close()
    """


def test_a_frozen_program_is_its_own_child_process(tiny_model: Path, tmp_path: Path) -> None:
    """As PyInstaller makes them: the program's own name starts it, with its arguments."""
    program = tmp_path / "program"
    main = tmp_path / "main.py"
    main.write_text(textwrap.dedent(FROZEN.format(program=str(program), model=str(tiny_model))))
    script(program, f'exec {sys.executable} {main} "$@"')
    done = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False)
    taught = "tiny.onnx: the file has changed since the service opened it"
    assert (done.stdout, done.returncode) == (f"the program itself runs\n(32, 32, 3)\n{taught}\n", 0), done.stderr


def test_a_frozen_program_knows_every_child_process() -> None:
    """Each module that is started with ``python -m`` is one that ``freeze_support`` runs."""
    started = {
        following.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List | ast.Tuple)
        for option, following in pairwise(node.elts)
        if isinstance(option, ast.Constant) and option.value == "-m" and isinstance(following, ast.Constant)
    }
    known = {
        node.value
        for node in ast.walk(ast.parse((PACKAGE / "serving" / "frozen_children.py").read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("edgecnn.")
    }
    assert known == {module for module in started if module != "pip"}  # pip needs a Python: bundle/wheels.py says so


def test_nothing_else_starts_this_program() -> None:
    """``sys.executable`` of a frozen program is the program; whoever starts a child process asks `find_python`."""
    users = {str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if "sys.executable" in p.read_text()}
    says_only = {"cli/commands/demo.py", "runtime/doctor/environment.py", "runtime/admission/admission.py"}
    assert users == {"runtime/system/python_interpreter.py", *says_only}
    text = "\n".join(p.read_text() for p in PACKAGE.rglob("*.py"))
    assert not re.search(
        r"import multiprocessing|ProcessPoolExecutor|from multiprocessing import (?!shared_memory)", text
    )


def test_a_python_without_this_release_is_told_of(
    no_interpreter: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen program has its modules inside itself, so the interpreter needs its own."""
    monkeypatch.setattr(python_interpreter, "_has_modules_as_files", lambda: False)
    real = Path(sys.prefix) / "bin" / "python3"
    bare = script(tmp_path / "bare", f'exec {real} -I -S "$@"')
    monkeypatch.setenv("EDGECNN_PYTHON", str(bare))
    with pytest.raises(ModelError, match=r"EDGECNN_PYTHON is .*bare, which has no edgecnn \d.*; install that release"):
        Classifier(tiny_model, ep="cpu")


def test_packers_find_what_child_processes_import(tmp_path: Path) -> None:
    """PyInstaller and cx_Freeze follow import statements in compiled modules, as modulefinder does."""
    import modulefinder

    main = tmp_path / "main.py"
    main.write_text("from edgecnn import freeze_support\nfreeze_support()\n")
    alone = tmp_path / "alone"  # modulefinder stumbles over namespace packages, such as google, beside it
    alone.mkdir()
    (alone / "edgecnn").symlink_to(Path(python_interpreter.__file__).parents[2])
    finder = modulefinder.ModuleFinder([str(alone)])
    finder.run_script(str(main))
    needed = {f"edgecnn.runtime.sources.drivers.{driver.module}" for driver in DRIVERS.values()}
    assert needed <= finder.modules.keys()
    assert {"edgecnn.runtime.admission.sandbox", "edgecnn.runtime.classifier"} <= finder.modules.keys()
    assert {"edgecnn.serving.teaching.child", "edgecnn.teaching.teach"} <= finder.modules.keys()


def test_libraries_of_a_frozen_program_are_not_given_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyInstaller points LD_LIBRARY_PATH at its own."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/tmp/_MEI123")
    monkeypatch.setenv("EDGECNN_PYTHON", sys.executable)
    assert "LD_LIBRARY_PATH" not in find_python().environment
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/lib")
    assert find_python().environment["LD_LIBRARY_PATH"] == "/opt/lib"
