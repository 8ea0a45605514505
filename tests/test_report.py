"""A training writes its report; it opens in a browser, says what was measured, and runs nothing of the data."""

import csv
import json
import shutil
from html.parser import HTMLParser

import pytest
from chromium import violations
from click.testing import CliRunner

from jptextclf import api, messages
from jptextclf.cli import cli
from jptextclf.errors import ConfigError, DataError
from jptextclf.progress import Silent
from jptextclf.run_lock import read_lock
from jptextclf.run_report import Report, read_report, report_directory
from jptextclf.run_report.files import tables

HOSTILE = [
    "<script>alert(1)</script>朝食が良い",
    '=HYPERLINK("http://example.com")',
    '"><img src=x onerror=alert(1)>',
    "𠮷野家の髙さん😀👨‍👩‍👧",
    "電話03-1234-5678まで",
    "\u202e逆さ\u202c\u200b見えない",
    "片割れ\ud800です",
]


@pytest.fixture(scope="module")
def rows(reviews):
    """Reviews with hostile ones among them, votes and a column of stores."""
    texts = [*reviews, *((text, "良い") for text in HOSTILE)] * 2
    return [
        {
            "text": f"{text}{number // 31 or ''}", "label": label, "store": ("東", "西")[number % 2],
            "votes": json.dumps({label: 3} if number % 3 else {label: 2, "悪い" if label == "良い" else "良い": 1}, ensure_ascii=False),
        }
        for number, (text, label) in enumerate(texts)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def data(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "口コミ.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(data, tiny_encoder, tmp_path_factory):
    messages.use_language("en")
    out = tmp_path_factory.mktemp("runs") / "a"
    # So little training that there are errors to show.
    return api.train(
        data, test=data, out=out, model=str(tiny_encoder), epochs=2, max_length=64, learning_rate=1e-3, device="cpu",
        progress=Silent(),
    )  # fmt: skip


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names, self.ids, self.targets, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        found = dict(attrs)
        self.attributes += list(found)
        self.ids += [found["id"]] if found.get("id") else []
        self.targets += [
            one[1:] for one in (found.get("href"), found.get("xlink:href")) if one and one.startswith("#")
        ]
        for name in ("src", "href"):
            assert (found.get(name) or "#").startswith(("#", "data:")), found


def elements(page):
    parser = _Elements()
    parser.feed(page)
    return parser


def test_a_training_writes_its_report_beside_the_run(run):
    directory = report_directory(run.path)
    assert directory == run.path.with_name("a.report")
    assert {one.name for one in directory.iterdir()} == {"report.html", "report.json", "csv", "MANIFEST.json"}
    # The run itself holds no text, and stays as it was sealed.
    assert api.load(run.path).path == run.path
    assert not list(run.path.rglob("*report*"))


def test_no_report_where_none_is_asked_for(data, tiny_encoder, tmp_path):
    api.train(
        data,
        out=tmp_path / "b",
        model=str(tiny_encoder),
        epochs=1,
        max_length=64,
        report=False,
        progress=Silent(),
    )
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


def test_the_page_says_what_was_measured(run):
    found = read_report(report_directory(run.path))
    page = (report_directory(run.path) / "report.html").read_text(encoding="utf-8")
    assert found.split == "test"
    assert found.evaluation.n_texts == 62
    assert f"{found.evaluation.scores['accuracy']:.1%}" in page
    assert f"{found.verdict.difference.difference:+.3f}" in page
    for name in ("summary", "systems", "labels", "confusion", "learning", "thresholds", "calibration", "lengths",
                 "errors", "check", "licenses", "lock"):  # fmt: skip
        assert f'id="{name}"' in page, name


@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_text_of_the_data_becomes_markup(run, language, tmp_path):
    messages.use_language(language)
    written = api.report(run, out=tmp_path / language)
    page = written.html.read_text(encoding="utf-8")
    found = elements(page)
    assert found.names.count("script") == 1
    assert "img" not in found.names
    assert not [name for name in found.attributes if name.startswith("on")]
    assert f'<html lang="{language}"' in page
    # Every link leads somewhere, and no two places have one name.
    assert set(found.targets) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


def test_personal_data_and_direction_marks_are_not_handed_on(run):
    directory = report_directory(run.path)
    for file in [*directory.rglob("*.html"), *directory.rglob("*.json"), *directory.rglob("*.csv")]:
        assert "1234-5678" not in file.read_text(encoding="utf-8"), file.name
    assert "\u202e" not in (directory / "report.html").read_text(encoding="utf-8")


def test_every_figure_is_a_csv_too_and_starts_no_formula(run):
    directory = report_directory(run.path) / "csv"
    found = read_report(report_directory(run.path))
    assert {one.stem for one in directory.iterdir()} == set(tables(found))
    for file in directory.iterdir():
        with file.open(encoding="utf-8-sig", newline="") as opened:
            lines = list(csv.reader(opened))
        assert len({len(line) for line in lines}) == 1, file.name
        assert not [cell for line in lines for cell in line if cell.startswith("=")]


def test_a_report_survives_json_and_is_written_again_in_the_other_language(run, tmp_path):
    found = read_report(report_directory(run.path))
    assert Report.from_json(json.loads(json.dumps(found.to_json()))).to_json() == found.to_json()
    messages.use_language("ja")
    page = api.report(run, out=tmp_path / "ja").html.read_text(encoding="utf-8")
    assert "要約" in page
    assert "混同行列" in page
    assert "マクネマー検定" in page
    # No sentence of the other language is left.
    assert "Summary" not in page
    assert "Confusion matrix" not in page


def test_other_data_with_votes_and_columns(run, data):
    done = CliRunner().invoke(
        cli, ["report", str(run.path), "--data", str(data), "--votes-column", "votes", "--by", "store", "-q"]
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(run.path.with_name("a.report-口コミ") / "report.html")
    found = read_report(run.path.with_name("a.report-口コミ"))
    assert [(one.by, one.column) for one in found.groupings if one.by != "truncated"] == [
        ("characters", ""), ("votes", ""), ("column", "store")
    ]  # fmt: skip
    assert not found.systems
    assert not found.is_training


def test_json_is_the_report(run):
    done = CliRunner().invoke(cli, ["report", str(run.path), "--json"])
    assert done.exit_code == 0, done.stderr
    written = json.loads(done.stdout)
    assert written["schema_version"] == 1
    assert written["path"] == str(report_directory(run.path) / "report.html")


def test_a_report_of_another_model_is_refused(run, data, tiny_encoder, tmp_path):
    other = api.train(
        data, out=tmp_path / "a", model=str(tiny_encoder), epochs=1, max_length=64, seed=3, progress=Silent()
    )
    directory = report_directory(other.path)
    (directory / "report.json").write_bytes((report_directory(run.path) / "report.json").read_bytes())
    with pytest.raises(ConfigError, match="JPT-U202"):
        api.report(other)
    (directory / "report.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="JPT-U200"):
        api.report(other)
    (directory / "report.json").unlink()
    with pytest.raises(ConfigError, match="JPT-U201"):
        api.report(other)


def test_a_foreign_directory_is_never_replaced(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="JPT-U025"):
        api.report(run, out=tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_place_that_cannot_be_used_is_refused_before_the_training(data, tiny_encoder, tmp_path):
    (tmp_path / "c.report").mkdir()
    (tmp_path / "c.report" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="JPT-U025"):
        api.train(
            data, out=tmp_path / "c", model=str(tiny_encoder), epochs=1, max_length=64, progress=Silent()
        )
    assert {one.name for one in tmp_path.iterdir()} == {"c.report"}


def test_a_multilabel_run_has_labels_missed_and_given_wrongly(tiny_encoder, reviews, tmp_path):
    texts = [text for text, _ in reviews] * 2
    labels = [[label, "部屋"] if "部屋" in text else [label] for text, label in reviews] * 2
    run = api.train(
        (texts, labels), out=tmp_path / "m", model=str(tiny_encoder), epochs=1, max_length=64, validation_fraction=0.4,
        progress=Silent(),
    )  # fmt: skip
    found = read_report(report_directory(run.path))
    page = (report_directory(run.path) / "report.html").read_text(encoding="utf-8")
    assert found.evaluation.schema.is_multilabel
    assert all(not one.reference or not one.prediction for one in found.cells)
    assert set(elements(page).targets) <= set(elements(page).ids)
    assert all(one.chosen is not None for one in found.curves)


def test_a_report_that_fails_leaves_the_run(data, tiny_encoder, tmp_path, monkeypatch):
    from jptextclf.errors import WorkError

    said = []

    class Heard(Silent):
        def warn(self, sentence):
            said.append(sentence)

    def fail(*_args, **_options):
        raise WorkError("W011", path="x", problem="disk full")

    monkeypatch.setattr("jptextclf.api.training.write_report", fail)
    run = api.train(
        data, out=tmp_path / "d", model=str(tiny_encoder), epochs=1, max_length=64, progress=Heard()
    )
    assert api.load(run.path).path == tmp_path / "d"
    assert any("disk full" in one and "jptextclf report" in one for one in said)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_training_shows_columns_that_it_does_not_learn_from(data, tiny_encoder, tmp_path, held_out):
    options = {} if held_out else {"test": data}
    run = api.train(
        data, out=tmp_path / "a", model=str(tiny_encoder), epochs=1, max_length=64, validation_fraction=0.4,
        by=["store"], votes_column="votes", progress=Silent(), **options,
    )  # fmt: skip
    found = read_report(report_directory(run.path))
    by = {one.column or one.by: one for one in found.groupings}
    assert {one.name for one in by["store"].groups} == {"東", "西"}
    assert sum(one.n for one in by["store"].groups) == found.evaluation.n_texts
    assert "votes" in by
    # It is no part of the model, nor of what the training depends on.
    assert run.bundle.extra_columns == ()
    assert "store" not in json.dumps(read_lock(run.path))
    with pytest.raises(DataError, match="JPT-D019"):
        api.train(data, out=tmp_path / "b", model=str(tiny_encoder), by=["stores"], progress=Silent())


def test_columns_in_memory_are_shown_too(tiny_encoder, reviews, tmp_path):
    texts, labels = (list(one) for one in zip(*reviews, strict=True))
    columns = {"店": ["東", "西"] * 12}
    options = {
        "model": str(tiny_encoder),
        "epochs": 1,
        "max_length": 64,
        "validation_fraction": 0.4,
        "progress": Silent(),
    }
    run = api.train((texts, labels, columns), out=tmp_path / "a", by=["店"], **options)
    assert [one.column for one in read_report(report_directory(run.path)).groupings if one.column] == ["店"]
    with pytest.raises(DataError, match="JPT-D062"):
        api.train((texts, labels, columns), out=tmp_path / "b", by=["町"], **options)


def test_a_run_that_is_named_by_a_dot_has_a_report_beside_it(run, monkeypatch):
    monkeypatch.chdir(run.path)
    done = CliRunner().invoke(cli, ["report", "."])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(run.path.with_name("a.report") / "report.html")


def test_a_report_is_not_written_into_a_run(run, data):
    for given in (None, str(data)):
        with pytest.raises(ConfigError, match="JPT-U159"):
            api.report(run, given, out=run.path / "report")
    assert not (run.path / "report").exists()


def _leaves(item, path=()):
    if isinstance(item, dict | list):
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        for key, one in list(pairs):
            yield from _leaves(one, (*path, key))
    else:
        yield path


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.full)])
def test_a_report_that_somebody_edited_gives_one_sentence(run, tmp_path, step):
    file = report_directory(run.path) / "report.json"
    written = file.read_bytes()
    whole = json.loads(written)
    # One leaf of each kind: places in lists do not matter.
    kinds = {tuple(key for key in path if isinstance(key, str)): path for path in _leaves(whole)}
    try:
        for path in list(kinds.values())[::step]:
            for value in ("x", None, "1e999"):
                edited = json.loads(written)
                place = edited
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value
                file.write_text(json.dumps(edited).replace('"1e999"', "1e999"), encoding="utf-8")
                try:
                    api.report(run, out=tmp_path / "out")
                except ConfigError as error:
                    assert error.code in {"JPT-U200", "JPT-U202"}, (path, value)
                else:
                    assert value != "1e999", path
    finally:
        file.write_bytes(written)


def test_a_column_without_votes_is_not_taken_for_one(run, data):
    with pytest.raises(DataError, match="JPT-D085"):
        api.report(run, data, votes_column="store")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_axe_finds_nothing_on_the_page(run, tmp_path, language):
    messages.use_language(language)
    page = api.report(run, out=tmp_path / "out").html
    assert violations(page, folder=tmp_path) == []
    assert violations(page, folder=tmp_path, dark=True, width=400) == []


def test_a_label_with_half_a_character_is_stored_and_shown(tmp_path, tiny_encoder, reviews):
    path = tmp_path / "a.jsonl"
    rows = [
        {"text": text, "label": {"良い": "good\ud800", "悪い": "bad"}[label]} for text, label in reviews * 2
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = api.train(
        path,
        out=tmp_path / "run",
        model=str(tiny_encoder),
        epochs=1,
        max_length=64,
        device="cpu",
        progress=Silent(),
    )
    assert found.schema.names == ("bad", "good?")
    assert "good?" in (report_directory(found.path) / "report.html").read_text(encoding="utf-8")


def test_the_workload_is_that_of_the_labels_that_the_run_gives(run, data, tmp_path):
    copy = shutil.copytree(run.path, tmp_path / "a")
    names = run.schema.names
    api.decide(copy, costs={names[0]: {names[1]: 1000}})
    found = api.report(copy, data, out=tmp_path / "report").report
    assert found.workloads[0].accuracy == pytest.approx(found.evaluation.scores["accuracy"])
    assert found.workloads[0].n_review == 0
