"""The licence verdict of a run in a report: one line for each use, and what stands against it. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.exporters.judging import judge, reason_lines, uses
from jptextclf.licensing.assessment import Verdict
from jptextclf.messages import listing, text
from jptextclf.pages.html import Html, bullets, details, foreign, paragraph, table
from jptextclf.subjects import records_of

if TYPE_CHECKING:
    from jptextclf.bundle import Bundle
    from jptextclf.licensing.assessment import Assessment


@dataclass(frozen=True)
class Licenses:
    """A run's components, and the verdict of the written policy for every use."""

    bundle: Bundle
    assessments: tuple[Assessment, ...]

    @classmethod
    def of(cls, bundle: Bundle) -> Licenses:
        """Judge every use, without a company's policy."""
        records = records_of(bundle.components)
        return cls(bundle, tuple(judge(records, use).assessment for use in uses()))

    @property
    def sentence(self) -> str:
        """All verdicts in one line, the best first."""
        found = [
            text("forecast.one", verdict=_verdict(one), uses=listing(names, 20))
            for one in Verdict
            if (names := [_use(each) for each in self.assessments if each.verdict is one])
        ]
        return text("forecast.all_uses", verdicts=text("words.semicolon").join(found))

    def html(self) -> Html:
        """A table of the uses, the reasons behind each, and what the model is made from."""
        rows = [
            [_use(one), _verdict(one.verdict), text("report.n_duties", n=len(one.obligations))]
            for one in self.assessments
        ]
        columns = [text("report.use"), text("report.verdict"), text("report.duties")]
        reasons = [
            details(
                f"{_use(one)}: {_verdict(one.verdict)}", bullets([foreign(line, limit=600) for line in lines])
            )
            for one in self.assessments
            if one.verdict >= Verdict.NEEDS_REVIEW and (lines := list(dict.fromkeys(reason_lines(one)))[:20])
        ]
        made_from = [
            [
                text(f"license_report_role.{one.role}"),
                foreign(one.name),
                foreign(one.license if isinstance(one.license, str) else listing(one.license)),
                foreign(one.revision or "–"),
            ]
            for one in self.bundle.components
        ]
        heads = [text(f"report.{name}") for name in ("role", "component", "license", "revision")]
        return Html(
            "\n".join(
                [
                    paragraph(text("report.licenses", run=self.bundle.path.name)),
                    table(columns, rows, numbers_from=3),
                    *reasons,
                    details(
                        text("report.components", n=len(made_from)), table(heads, made_from, numbers_from=4)
                    ),
                ]
            )
        )


def _use(assessment: Assessment) -> str:
    return text(f"license_report_use.{assessment.use}")


def _verdict(verdict: Verdict) -> str:
    return text(f"license_report_verdict.{verdict}")
