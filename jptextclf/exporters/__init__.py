"""Exporters: the gate, and what it lets out. Nothing leaves a working copy on another way.

Start with :func:`jptextclf.exporters.gate.export`; :func:`push` goes through it.
"""

from jptextclf.exporters.checker import Checked, Problem, check, check_subject
from jptextclf.exporters.forecast import announce
from jptextclf.exporters.gate import Export, export
from jptextclf.exporters.hub import Push, push
from jptextclf.exporters.judging import Judged, exit_status, judge, require_cleared, use_of

__all__ = [
    "Checked",
    "Export",
    "Judged",
    "Problem",
    "Push",
    "announce",
    "check",
    "check_subject",
    "exit_status",
    "export",
    "judge",
    "push",
    "require_cleared",
    "use_of",
]
