"""Imports point down the rows of the design, the package face is light, and nothing dangerous is called."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jptextclf

PACKAGE = Path(jptextclf.__file__).parent
# A module may import from its own package and from rows with a smaller number.
ROWS = {
    "messages": 0.0, "errors": 0.1, "error_codes": 0.2,
    "registry": 1.0, "labels": 1.0, "config": 1.0, "progress": 1.0, "encodings": 1.0, "strict_json": 1.0, "atomic": 1.0, "interruption": 1.0, "unfinished": 1.1, "store": 1.1,
    "download": 1.2, "hub": 1.2,
    "pages": 1.3, "licensing": 2.0, "cards": 2.1, "corpus_card": 2.1, "corpora": 2.2,
    "builtin": 2.3, "encoders": 2.4,
    "adapters": 3.0, "metrics": 3.0,
    "data": 4.0, "page_files": 4.05, "settings": 4.1, "long_texts": 4.5,
    "launched": 1.0, "devices": 5.0, "world": 5.0, "sharding": 5.2, "batching": 5.0, "checkpoints": 5.05, "unpadded": 5.05, "heads": 5.06, "model": 5.1, "decisions": 5.0, "bundle": 5.25, "guard": 5.2, "subjects": 5.3,
    "ordinal": 5.15, "parameters": 5.15, "losses": 6.0, "trackers": 6.0, "stepping": 6.05, "distillation": 6.05,
    "onnx_model": 5.2, "ngrams": 5.0, "features": 5.2,
    "word_spans": 3.5, "text_profile": 4.6, "significance": 5.0, "probing": 5.9, "vote_scores": 5.9, "evaluation": 6.0, "calibration": 6.0, "tokens": 6.0, "prediction": 6.0, "training": 6.1, "run_lock": 6.15, "baselines": 6.1, "frozen": 6.15, "settling": 6.17, "experiment": 6.2, "continued": 6.22, "kept_answers": 6.23, "space": 6.22, "cross_validation": 6.25, "few_labels": 6.27, "searching": 6.25,
    "drift": 6.1, "explanation": 6.35, "exporters": 6.3, "run_report": 6.9, "run_comparison": 6.9, "preparing": 6.9, "label_review": 6.9,
    "api": 7.0, "estimator": 7.1, "batch": 7.1, "server": 7.2,
    "doctor": 8.0, "cli": 8.1, "__main__": 8.2,
}  # fmt: skip
HEAVY = {"torch", "transformers", "datasets", "evaluate", "sklearn", "pyarrow", "pandas", "scipy", "rich"}


def row_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path, *, top_only=False):
    """Dotted names that a module imports; type-only imports do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = row_of(path)
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "jptextclf" or len(parts) < 2 or parts[1] not in ROWS:
            continue
        assert parts[1] == own or ROWS[parts[1]] < ROWS[own], f"{own} imports {name}"


def test_every_module_has_a_row():
    assert {row_of(path) for path in MODULES} <= set(ROWS)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if ROWS[row_of(path)] < 5], ids=lambda path: path.name
)
def test_the_lower_rows_import_nothing_heavy_at_the_top(path):
    assert not {name.split(".")[0] for name in imports_of(path, top_only=True)} & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_its_job(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("program", ["import jptextclf", "from jptextclf.cli import cli; cli.main(['--help'])",
                                     "from jptextclf.cli import cli; cli.main(['train', '--help'])"])  # fmt: skip
def test_the_face_of_the_package_and_help_load_nothing_heavy(program):
    code = f"""
import sys
try:
    {program}
except SystemExit as end:
    assert end.code == 0, end.code
print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("[]")


def test_nothing_unpickles_or_trusts_remote_code():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for word in (
            "pickle.load",
            "torch.load",
            "trust_remote_code=True",
            "joblib",
            "shell=True",
            "verify=False",
        ):
            assert word not in text, f"{path.name}: {word}"
