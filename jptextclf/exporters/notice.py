"""LICENSE and NOTICE of an export: the terms of the model itself, and what has to be said of everything in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.exporters.texts import RULE, license_files_of
from jptextclf.licensing.file_names import is_notice_file
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_words import decode
from jptextclf.licensing.reports import render
from jptextclf.licensing.rules import use_named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jptextclf.exporters._cleared import Cleared


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


def notice_of_export(cleared: Cleared, name: str, directory: Path) -> str:
    """The NOTICE of the reports, and what upstream wants passed on word for word.

    :param directory: with the model files, which the statement of changes names
    """
    parts = [f"{name}: Copyright (c) {cleared.texts.copyright}"] if cleared.texts.copyright else []
    about = replace(cleared.subject, name=name).report(directory)
    parts.append(render(cleared.judged.assessment, about, format="notice", language="en").strip())
    base = next(one.name for one in cleared.bundle.components if one.role == "base_model")
    passed_on = {**_holders(cleared, "\n".join(parts)), **_notices(cleared.subject.texts)}
    parts += [f"{file} ({base}):\n\n{words}" for file, words in passed_on.items()]
    return RULE.join(parts) + "\n"


def _notices(upstream: Mapping[str, bytes]) -> dict[str, str]:
    """Notice files that came with the encoder."""
    return {name: decode(data).strip() for name, data in sorted(upstream.items()) if is_notice_file(name)}


def _holders(cleared: Cleared, said: str) -> dict[str, str]:
    """Copyright lines of licence files that came with the encoder, where no other document has them."""
    known = "\n".join([said, *cleared.texts.carried.values()])
    found = {
        name: [one for one in identify(text).copyrights if one not in known]
        for name, text in license_files_of(cleared.subject.texts).items()
    }
    return {name: "\n".join(lines) for name, lines in found.items() if lines}
