"""What packages, archives and search engines read: the version, licence and names are the same everywhere."""

from __future__ import annotations

import re

from doc_pages import ROOT

from edgecnn import __version__

PROJECT = (ROOT / "pyproject.toml").read_text()
WHEEL = PROJECT.partition("[tool.hatch.build.targets.wheel]\n")[2].partition("\n[")[0]
CITATION = (ROOT / "CITATION.cff").read_text()


def of_project(key: str) -> str:
    (found,) = re.findall(rf'^{key} = "(.*)"$', PROJECT, re.MULTILINE)
    return found


def of_citation(key: str) -> str:
    (found,) = re.findall(rf"^{key}: (.*)$", CITATION, re.MULTILINE)
    return found


def test_the_citation_is_of_this_version_and_licence() -> None:
    assert of_citation("version") == __version__
    assert of_citation("license") == of_project("license")
    assert of_citation("title").lower() == of_project("name")
    assert of_citation("cff-version") == "1.2.0"
    (authors,) = re.findall(r'^authors = \[\{ name = "(.*)" \}\]$', PROJECT, re.MULTILINE)
    assert re.findall(r"^  - name: (.*)$", CITATION, re.MULTILINE) == [authors]


def test_what_the_source_archive_names_is_there() -> None:
    (included,) = re.findall(r"^include = \[(.*)\]$", PROJECT, re.MULTILINE)
    for name in re.findall(r'"(.*?)"', included):
        assert (ROOT / name).exists(), f"pyproject.toml: {name}: no such file"


def test_both_packages_say_that_they_are_typed() -> None:
    (packages,) = re.findall(r"^packages = \[(.*)\]$", WHEEL, re.MULTILINE)
    for package in re.findall(r'"(.*?)"', packages):
        assert (ROOT / package / "py.typed").is_file()
    assert '"Typing :: Typed"' in PROJECT


def test_the_versions_of_python_are_those_that_were_tested() -> None:
    stated = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    (row,) = re.findall(r"^\| Python \| (.*?) \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"3\.\d+", row)) == set(stated)
