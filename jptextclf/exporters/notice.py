"""LICENSE and NOTICE of an export: the terms of the model itself, and what has to be said of everything in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.exporters.card import in_language
from jptextclf.exporters.texts import RULE
from jptextclf.licensing.file_names import is_notice_file
from jptextclf.licensing.reports import render
from jptextclf.licensing.rules import use_named

if TYPE_CHECKING:
    from jptextclf.exporters._cleared import Cleared

CHANGES = "Changes / 変更点"
"""Heading of the statement of changes."""


def license_of_export(cleared: Cleared) -> str:
    """The text of the output licence; without one, that nobody is granted anything."""
    license_id = cleared.judged.output_license
    if license_id is None:
        return no_license(cleared.judged.assessment.use)
    texts = list(cleared.texts.own.values())
    if len(texts) == 1:
        return texts[0]
    # Spelled in two parts: the line is for the exported file, not about this one.
    return RULE.join([f"SPDX-License-{'Identifier'}: {license_id}", *texts])


def no_license(use: str) -> str:
    """The LICENSE of an export that grants none, in both languages."""
    kind = "handed_over" if use_named(use).leaves else "internal"
    said = [messages.text_in(language, f"export.license_{kind}", use=use) for language in messages.LANGUAGES]
    return "\n\n".join(one.strip() for one in said) + "\n"


def notice_of_export(cleared: Cleared, name: str) -> str:
    """Attributions, the statement of changes, and the notices that came with the encoder, word for word."""
    about = replace(cleared.subject, name=name).report()
    parts = [f"{name}: Copyright (c) {cleared.texts.copyright}"] if cleared.texts.copyright else []
    parts.append(render(cleared.judged.assessment, about, format="notice", language="en").strip())
    base = next(one.name for one in cleared.bundle.components if one.role == "base_model")
    data = messages.listing(one.name for one in cleared.bundle.components if one.role == "training_data")
    said = [in_language(language, _changes, base, data, name) for language in ("en", "ja")]
    parts.append("\n".join([CHANGES, "", *said]))
    notices = {file: text for file, text in sorted(cleared.subject.texts.items()) if is_notice_file(file)}
    parts += [
        f"{file} ({base}):\n\n{text.decode('utf-8', 'replace').strip()}" for file, text in notices.items()
    ]
    return RULE.join(parts) + "\n"


def _changes(base: str, data: str, name: str) -> str:
    return messages.text("export.changes", base=base, data=data, name=name).strip()
