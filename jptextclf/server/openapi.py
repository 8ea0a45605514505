"""The description of the service for machines: OpenAPI 3.1, every status with its form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jptextclf import __version__
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.server.limits import Limits

_STATUSES = {
    400: "bad_body", 401: "no_token", 404: "not_found", 405: "method", 413: "too_large", 415: "no_json", 422: "unfit", 500: "failed",
    503: "busy",
}  # fmt: skip


def document(limits: Limits, *, with_token: bool) -> dict[str, Any]:
    """The whole document, in the language of now.

    :param with_token: whether requests need one
    """
    unauthorized = (401,) if with_token else ()
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "jptextclf", "version": __version__, "description": text("serve.api")},
        "paths": {
            "/v1/predict": _post("predict", "Predictions", limits.texts, limits.characters, unauthorized),
            "/v1/explain": _post(
                "explain", "Explanations", limits.explained_texts, limits.explained_characters, unauthorized, label=True
            ),
            "/v1/tokens": _post("tokens", "Tokens", limits.explained_texts, limits.explained_characters, unauthorized),
            "/v1/model": _get(
                "model", {"oneOf": [_ref("Model"), _ref("Models")]}, (404, 422, *unauthorized),
                parameters=[{"name": "name", "in": "query", "required": False, "schema": {"type": "string", "maxLength": 200}}],
            ),
            "/healthz": _get("healthz", _ref("Status"), ()),
            "/readyz": _get("readyz", _ref("Status"), (503,)),
            "/metrics": _get("metrics", {"type": "string"}, unauthorized, kind="text/plain"),
            "/openapi.json": _get("openapi", {"type": "object"}, ()),
            "/": _get("page", {"type": "string"}, (), kind="text/html"),
        },
        "components": {"schemas": _schemas()},
    }  # fmt: skip
    if with_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path in ("/v1/predict", "/v1/explain", "/v1/tokens", "/v1/model", "/metrics"):
            for operation in found["paths"][path].values():
                operation["security"] = [{"token": []}]
    return found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _post(
    name: str, result: str, texts: int, characters: int, more: tuple[int, ...], *, label: bool = False
) -> dict[str, Any]:
    one = {"type": "string", "maxLength": characters}
    common: dict[str, Any] = {"model": {"type": ["string", "null"], "maxLength": 200}}
    if label:
        common["label"] = {"type": ["string", "null"], "maxLength": 200}
    cell = {"type": ["string", "number", "null"]}
    columns = {"type": ["object", "null"], "additionalProperties": cell}

    def asked(required: str, **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "required": [required],
            "properties": properties,
            "additionalProperties": False,
        }

    item = {"anyOf": [one, asked("text", text=one, columns=columns)]}
    several = {"type": "array", "minItems": 1, "maxItems": texts, "items": item}
    forms = [asked("text", text=one, columns=columns, **common), asked("texts", texts=several, **common)]
    statuses = (400, 404, 413, 415, 422, 500, 503, *more)
    return {
        "post": {
            "operationId": name,
            "summary": text(f"serve.o_{name}"),
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": forms}}},
            },
            "responses": _responses(_ref(result), statuses),
        }
    }


def _get(
    name: str,
    schema: dict[str, Any],
    statuses: tuple[int, ...],
    *,
    kind: str = "application/json",
    **more: Any,
) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name, "summary": text(f"serve.o_{name}"), **more,
            "responses": _responses(schema, statuses, kind=kind),
        }
    }  # fmt: skip


def _responses(
    schema: dict[str, Any], statuses: tuple[int, ...], *, kind: str = "application/json"
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "200": {"description": text("serve.s_ok"), "content": {kind: {"schema": schema}}}
    }
    for status in sorted({*statuses, 405}):
        one: dict[str, Any] = {
            "description": text(f"serve.s_{_STATUSES[status]}"),
            "content": {"application/json": {"schema": _ref("Error")}},
        }
        if status == 503:
            one["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
        found[str(status)] = one
    return found


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _schemas() -> dict[str, Any]:
    string, number, whole, flag = ({"type": one} for one in ("string", "number", "integer", "boolean"))
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    identity = _object(name=string, version=string)
    return {
        "Error": _object(error=_object(code=string, message=string, hint=string)),
        "Status": _object(status=string),
        "Predictions": _object(model=identity, results=_list(_ref("Prediction"))),
        "Prediction": _object(
            labels=_list(string), probabilities={"type": "object", "additionalProperties": probability},
            needs_review=flag, truncated=flag, empty=flag, tokens=whole,
        ),
        "Explanations": _object(model=identity, results=_list(_ref("Explanation"))),
        "Explanation": _object(
            text=string, label=string, probability=probability, n_left_out=whole,
            words=_list(_object(surface=string, start=whole, end=whole, weight=number)),
        ),
        "Tokens": _object(model=identity, results=_list(_ref("TextTokens"))),
        "TextTokens": _object(
            text=string, words=_list(_object(surface=string, start=whole, end=whole, part_of_speech=string)),
            tokens=_list(_object(piece=string, id=whole, start=whole, end=whole)),
        ),
        "Models": {**_object(models=_list(_ref("Model"))), "additionalProperties": False},
        "Model": _object(
            name=string, version=string, task=string, labels=_list(string), thresholds=_list(number), asks_people=flag,
            max_length=whole, long_texts=string, columns=_list(string), encoder=string, precision=string,
            scores={"type": "object"}, license={"type": ["object", "null"]},
        ),
    }  # fmt: skip
