"""JSON: the assessment and its subject as one record for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.reports._escaping import json_text

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import Assessment
    from jptextclf.licensing.reports._subject import ReportSubject


def write_json(assessment: Assessment, subject: ReportSubject) -> str:
    """:meth:`Assessment.to_json` with ``subject`` and ``language``, its sentences in the language of now."""
    record = assessment.to_json() | {"subject": subject.to_json(), "language": messages.language()}
    return json_text(json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)) + "\n"


REPORT = write_json
