"""Model card: what an export says of itself, in Japanese and English, from the run's own record.

It does not judge. Front matter is as a hub reads it.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.errors import ConfigError
from jptextclf.exporters.layout import LICENSE, license_file
from jptextclf.exporters.texts import stated_licenses
from jptextclf.hub import HubId
from jptextclf.licensing.identifiers import hub_ids, to_spdx
from jptextclf.licensing.license_texts import license_url
from jptextclf.long_texts import note_on
from jptextclf.subjects import languages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jptextclf.bundle import Bundle
    from jptextclf.exporters._cleared import Cleared
    from jptextclf.licensing.assessment import Assessment, Obligation

NON_COMMERCIAL = "non-commercial"
"""Tag of a model that must not be used commercially."""
_METRICS = {
    "accuracy": ("accuracy", "Accuracy"), "macro_f1": ("f1", "F1 (macro)"), "micro_f1": ("f1", "F1 (micro)"),
    "weighted_f1": ("f1", "F1 (weighted)"), "subset_accuracy": ("accuracy", "Subset accuracy"),
    "mean_absolute_error": ("mae", "Mean absolute error"),
    "quadratic_weighted_kappa": ("quadratic_weighted_kappa", "Quadratic weighted kappa"),
}  # fmt: skip
"""Our name -> type on the hub, name for a reader."""


def model_card(cleared: Cleared, name: str) -> str:
    """The README of an export.

    :param name: of the model: that of the export's directory or of the hub repository
    """
    import yaml  # type: ignore[import-untyped]

    matter = yaml.safe_dump(front_matter(cleared, name), sort_keys=False, allow_unicode=True, width=1000)
    bodies = [in_language(language, _body, cleared, name) for language in messages.LANGUAGES]
    return "\n\n".join([f"---\n{matter}---", *bodies]).rstrip() + "\n"


def front_matter(cleared: Cleared, name: str) -> dict[str, Any]:
    """What a hub reads: licence, base model, data sets, language, metrics and results."""
    components = cleared.judged.assessment.components
    base = [one["name"] for one in components if one.get("role") == "base_model" and _is_hub_id(one)]
    data = [one["name"] for one in components if one.get("role") == "training_data" and _is_hub_data(one)]
    matter: dict[str, Any] = {
        "language": list(languages_of(components)),
        **license_matter(cleared.judged.output_license),
        **({"base_model": base} if base else {}),
        **({"datasets": data} if data else {}),
        "pipeline_tag": "text-classification",
        "library_name": _library(cleared),
        "tags": ["jptextclf", *([NON_COMMERCIAL] if is_non_commercial(cleared.judged.assessment) else [])],
    }
    results = _results(cleared)
    if results:
        matter["metrics"] = sorted({metric["type"] for one in results for metric in one["metrics"]})
        matter["model-index"] = [{"name": name, "results": results}]
    return matter


def license_matter(license_id: str | None) -> dict[str, str]:
    """The ``license`` keys of a front matter: the hub's spelling, or ``other`` with a name and a link."""
    if license_id is None:
        return {"license": "other", "license_name": "no-license-granted", "license_link": LICENSE}
    known = {to_spdx(one): one for one in hub_ids()}
    if license_id in known:
        return {"license": known[license_id]}
    name = license_id.removeprefix("LicenseRef-").lower().replace(" ", "-")
    return {"license": "other", "license_name": name, "license_link": LICENSE}


def is_non_commercial(assessment: Assessment) -> bool:
    """Whether a licence wants the model to be marked as not for commercial use."""
    return any(one.token.startswith("mark-artifact:non-commercial") for one in assessment.obligations)


def citations(reasons: Sequence[Mapping[str, Any]], component: str) -> list[str]:
    """What the publisher of a component asks to be cited with, word for word.

    :param reasons: of an assessment, as JSON
    """
    found = (one for one in reasons if one["component"] == component and one["rule"] == "cite")
    return list(dict.fromkeys(one["statement"] for one in found if one["statement"]))


def in_language(language: str, function: Callable[..., str], *arguments: object) -> str:
    """What the function says in one language; the language of now stays as it is."""

    def say() -> str:
        messages.use_language(language)
        return function(*arguments)

    return contextvars.copy_context().run(say)


def _body(cleared: Cleared, name: str) -> str:
    bundle, judged = cleared.bundle, cleared.judged
    assessment = judged.assessment
    base = next(one.name for one in bundle.components if one.role == "base_model")
    said = messages.text(
        "export.card", name=name, what=_what(cleared, base),
        reading=_reading(bundle), use=assessment.use, scores=_scores(cleared),
        license=judged.output_license or messages.text("export.card_no_license"),
        marks="".join(f"\n**{one}**\n" for one in _marks(assessment)), sources=_sources(cleared),
        conditions=_conditions(assessment), usage=_usage(cleared, name),
    )  # fmt: skip
    return said.strip()


def _reading(bundle: Bundle) -> str:
    """How much of a text the model sees."""
    if bundle.long_texts == "truncate":
        return messages.text("long_texts.reading_truncate", max_length=bundle.max_length)
    language = messages.language()
    note = note_on(bundle.max_length, bundle.long_texts, language, is_plain=not bundle.is_features)
    return messages.text("long_texts.reading", max_length=bundle.max_length) + note


def _library(cleared: Cleared) -> str:
    """What loads the model."""
    if cleared.bundle.is_features:
        return "jptextclf"
    return "onnx" if cleared.format == "onnx" else "transformers"


def _what(cleared: Cleared, base: str) -> str:
    key = "features.card" if cleared.bundle.is_features else "export.card_fine_tuned"
    return messages.text(key, labels=", ".join(f"`{one}`" for one in cleared.bundle.schema.names), base=base)


def _usage(cleared: Cleared, name: str) -> str:
    """How to use it: by plain transformers where they can, else with this package."""
    bundle = cleared.bundle
    if not bundle.is_features:
        return messages.text(f"export.usage_{cleared.format}", name=name)
    cells = ", ".join(f'"{one}": ["…"]' for one in bundle.extra_columns)
    extra = "[features]" if bundle.record["config"].get("head") == "lightgbm" else ""
    said = messages.text(
        "features.usage", name=name, extra=extra, columns=f", columns={{{cells}}}" if cells else ""
    )
    return f"{said}\n{messages.text('features.readme')}"


def _marks(assessment: Assessment) -> list[str]:
    """What a reader must see first."""
    return [messages.text("export.card_non_commercial")] if is_non_commercial(assessment) else []


def _conditions(assessment: Assessment) -> str:
    """Duties that whoever gets the model has to know, as a list."""
    duties = [
        one for one in assessment.obligations if {"README.md", "LICENSE"} & set(one.files) or not one.files
    ]
    reasons = [one.to_json() for one in assessment.reasons]
    lines = dict.fromkeys(
        f"- {one.component}: ".replace("- : ", "- ") + one.text + _citation(one, reasons)
        for one in duties
        if one.required
    )
    return "\n".join(lines) or messages.text("export.card_no_conditions")


def _citation(duty: Obligation, reasons: list[dict[str, Any]]) -> str:
    """The words with which a publisher asks to be cited."""
    words = citations(reasons, duty.component) if duty.kind == "cite" else []
    return "".join(f" {_cell(one)}" for one in words)


def _sources(cleared: Cleared) -> str:
    """A table of what the model is made from, with licences and where they are stated."""
    nobody = messages.text("export.card_nobody_says")
    rows = [
        "| {} | {} | {} | {} |".format(
            messages.text(f"license_report_role.{one['role']}"),
            f"[{_cell(one['name'])}]({one['url']})"
            if _is_web(one.get("url", ""))
            else _cell(one.get("name", "")),
            _cell(", ".join(_linked(stated, cleared) for stated in stated_licenses(one)) or nobody),
            messages.text(
                "export.inside" if one.get("bundled") or one["role"] == "base_model" else "export.not_inside"
            ),
        )
        for one in cleared.judged.assessment.components
        if one.get("role") not in {"software", "output", "declared_use"} or one.get("bundled")
    ]
    return "\n".join([messages.text("export.card_source_head"), "|---|---|---|---|", *rows])


def _linked(license_id: str, cleared: Cleared) -> str:
    """A licence with its page, or with the place of its text in the export."""
    if url := license_url(license_id):
        return f"[{license_id}]({url})"
    return (
        f"[{license_id}]({license_file(license_id)})" if license_id in cleared.texts.carried else license_id
    )


def _scores(cleared: Cleared) -> str:
    """The scores of the run, and what a conversion changed."""
    lines = [f"- {line}" for one in cleared.conversions for line in one.lines()]
    return "\n".join(
        [_score_table(cleared.bundle.record.get("scores", {})), *([""] if lines else []), *lines]
    )


def _score_table(scores: Mapping[str, Any]) -> str:
    if not scores:
        return messages.text("export.card_no_scores")
    names = [name for name in _METRICS if any(name in one["scores"] for one in scores.values())]
    n_texts = messages.text("export.card_n_texts")
    head = f"| | {n_texts} | {' | '.join(messages.text(f'metric.{name}') for name in names)} |"
    rows = [
        f"| {messages.text(f'words.{split}')} | {one['n_texts']} | "
        + " | ".join(_number(one["scores"].get(name)) for name in names)
        + " |"
        for split, one in scores.items()
    ]
    return "\n".join([head, "|---|" + "---:|" * (len(names) + 1), *rows])


def _results(cleared: Cleared) -> list[dict[str, Any]]:
    """The run's scores in the form of a model index."""
    data = next(one for one in cleared.bundle.components if one.role == "training_data")
    return [
        {
            "task": {"type": "text-classification", "name": "Text classification"},
            "dataset": {"type": data.name, "name": data.name, "split": split},
            "metrics": [
                {"type": _METRICS[name][0], "name": _METRICS[name][1], "value": value}
                for name, value in one["scores"].items()
                if name in _METRICS and value is not None
            ],
        }
        for split, one in cleared.bundle.record.get("scores", {}).items()
    ]


def _is_hub_id(component: Mapping[str, Any]) -> bool:
    """Whether a model is known by a hub's name: only a hub vouches for one."""
    if component.get("origin", "public") != "public":
        return False
    try:
        HubId(component.get("name", ""))
    except ConfigError:
        return False
    return True


def _is_hub_data(component: Mapping[str, Any]) -> bool:
    return _is_hub_id(component) and "/datasets/" in component.get("url", "")


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _cell(words: str) -> str:
    """Safe inside a Markdown table."""
    return words.replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
