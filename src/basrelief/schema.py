"""The JSON schema of a configuration: by which editors complete, explain and check it."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from basrelief.config import Settings


class _OfToml(GenerateJsonSchema):
    """TOML knows no null: a key that may be left out holds what it holds, and has no default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        # A table's is that of its keys, which stand there.
        if made.get("default") is None or isinstance(made["default"], dict):
            made.pop("default", None)
        return made


def make_schema() -> dict[str, Any]:
    """Give the JSON schema of a configuration file, draft 2020-12.

    What each key is stands there as the settings' own lines say it.

    Examples
    --------
    >>> sorted(make_schema()["properties"])[:3]
    ['chips', 'data', 'evaluate']
    """
    schema = Settings.model_json_schema(schema_generator=_OfToml)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
