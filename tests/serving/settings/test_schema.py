"""The published schema and the table of settings are made from the settings themselves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edgecnn.serving.settings.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCS = Path(__file__).parents[3] / "docs"
BEGIN, END = "<!-- settings: made by tests/serving/settings/test_schema.py -->\n", "<!-- end of settings -->"


def schema() -> str:
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}, indent=2
        )
        + "\n"
    )


def table_of(part: type[BaseModel], prefix: str = "") -> list[str]:
    rows, deeper = [], []
    for name, info in part.model_fields.items():
        inner = inner_of(info)
        if inner is None:
            rows.append(
                f"| `{prefix}{name}` | {default_of(info)} | {(info.description or '').replace('|', chr(92) + '|')} |"
            )
        else:
            deeper += table_of(inner, f"{prefix}{name}.")
    return rows + deeper


def inner_of(info: FieldInfo) -> type[BaseModel] | None:
    found = [info.annotation, *get_args(info.annotation)]
    return next((kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def default_of(info: FieldInfo) -> str:
    value: Any = info.default
    if value is PydanticUndefined:
        return "the host's name" if info.default_factory else "required"
    if value in (None, ()):
        return ""
    return f"`{json.dumps(value)}`"


def table() -> str:
    return "\n".join(["", "| key | default | |", "| --- | --- | --- |", *table_of(Settings), "", ""])


def test_the_published_schema_is_that_of_the_settings() -> None:
    assert (DOCS / "serve.schema.json").read_text() == schema(), (
        "write it anew: python tests/serving/settings/test_schema.py"
    )


def test_the_page_lists_every_setting() -> None:
    page = (DOCS / "serve.md").read_text()
    assert page.split(BEGIN)[1].split(END)[0] == table(), "write it anew: python tests/serving/settings/test_schema.py"


def test_the_example_of_the_page_fits_the_schema() -> None:
    example = (DOCS / "serve.md").read_text().split("```toml\n")[1].split("```")[0]
    jsonschema.validate(tomllib.loads(example), json.loads(schema()))
    Settings.model_validate(tomllib.loads(example))


@pytest.mark.parametrize(
    "wrong", [{"prot": 1}, {"port": "x"}, {"models": [{"name": "a"}]}, {"swap": {"mode": "never"}}]
)
def test_the_schema_refuses_what_the_program_refuses(wrong: dict[str, Any]) -> None:
    given = {"models": [{"file": "m.onnx"}], **wrong}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, json.loads(schema()))
    with pytest.raises(ValueError, match="validation error"):
        Settings.model_validate(given)


if __name__ == "__main__":
    (DOCS / "serve.schema.json").write_text(schema())
    text = (DOCS / "serve.md").read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    (DOCS / "serve.md").write_text(before + BEGIN + table() + END + after)
