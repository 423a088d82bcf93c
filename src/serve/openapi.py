"""The description of the API in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from typing import Any

from src.serve.body import CANDIDATES
from src.serve.settings import ServeSettings

_TEXT = {"type": "string", "minLength": 1}
_ID = {"type": ["string", "integer"], "description": "given back with the answer"}
_ONE_OR_TWO = {"required": ["text"], "properties": {"text": _TEXT, "text_b": _TEXT}}
_RECORDS: dict[str, dict[str, Any]] = {
    "classify": _ONE_OR_TWO,
    "encode": _ONE_OR_TWO,
    "fill-mask": {"required": ["text"], "properties": {"text": {**_TEXT, "description": "with [MASK] in it"}}},
    "qa": {
        "required": ["question", "context"],
        "properties": {"question": _TEXT, "context": _TEXT},
    },
    "ner": {
        "description": "either text or words",
        "properties": {"text": _TEXT, "words": {"type": "array", "items": _TEXT, "minItems": 1}},
    },
}
_REFUSALS = {
    "400": "the request is no JSON of this form",
    "408": "the body came too slowly",
    "413": "the body is too large, or has too many inputs",
    "415": "the body is not declared as application/json",
    "422": "an input cannot be answered; index says which",
    "500": "the server failed",
    "503": "the model is not ready, or too many inputs wait; Retry-After says when to come back",
    "504": "there was no answer in time",
}

_ANSWERS = {
    "type": "object",
    "required": ["outputs", "model", "time_ms"],
    "properties": {
        "outputs": {"type": "array", "items": {"type": "object"}},
        "model": {"type": "object"},
        "time_ms": {"type": "number"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["what", "where", "fix"],
            "properties": {
                "what": {"type": "string"},
                "where": {"type": "string"},
                "fix": {"type": "string"},
                "index": {"type": "integer", "minimum": 0},
            },
        }
    },
}


def openapi(command: str, settings: ServeSettings) -> dict[str, Any]:
    """Return the description of the API for a model.

    Args:
        command: What the model does.
        settings: Limits.
    """
    record = {"type": "object", **_RECORDS[command]}
    record["properties"] = {**record["properties"], "id": _ID}
    inputs = {"type": "array", "items": record, "minItems": 1, "maxItems": settings.max_inputs}
    properties: dict[str, Any] = {"inputs": inputs}
    if command in CANDIDATES:
        name, default = CANDIDATES[command]
        most = settings.max_candidates
        properties[name] = {"type": "integer", "minimum": 1, "maximum": most, "default": min(default, most)}
    query = {"type": "object", "required": ["inputs"], "properties": properties, "additionalProperties": False}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"ALBERT: {command}", "version": "1"},
        "paths": {
            "/v1/predict": {
                "post": {
                    "summary": "Answer inputs",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": query}}},
                    "responses": {"200": _json("the answers, in the order of the inputs", _ANSWERS), **_refusals()},
                }
            },
            "/v1/model": _get("What is served"),
            "/healthz": _get("Whether the server runs"),
            "/readyz": _get("Whether the model answers"),
            "/metrics": _get("Figures for Prometheus", "text/plain"),
        },
        "components": {"schemas": {"Error": _ERROR}},
    }


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _refusals() -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    return {status: _json(text, error) for status, text in _REFUSALS.items()}


def _get(summary: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": summary, "content": {media_type: {}}}}}}
