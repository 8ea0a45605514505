"""ONNX graphs: equal to the classifier, the same bytes every time, and prediction from them."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_tiny_encoder

from jptextclf import messages, train
from jptextclf.adapters import open_adapter
from jptextclf.decisions.rule import Rule
from jptextclf.encoders import resolve_encoder
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.exporters import onnx as exporter
from jptextclf.exporters.onnx import OnnxReport, write_graphs
from jptextclf.exporters.onnx_int8 import KEPT, quantise_products
from jptextclf.labels import LabelSchema
from jptextclf.model import build_classifier, compute_logits
from jptextclf.onnx_model import ONNX_FILES, load_onnx_classifier
from jptextclf.prediction import Predictor

COLUMNS = ("id", "label", "text", "votes", "split")
TEXTS = ["", "朝食", "部屋が清潔で快適でした。", "😀" * 200, "[SEP] <s>", "駅から近くて便利だった。" * 9]
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def write_onnx(classifier, adapter, directory, *, precision="float32", **options):
    """One graph, and what is said of it."""
    (report,) = write_graphs(classifier, adapter, directory, precisions=(precision,), **options)
    return report


def _missing():
    import importlib.util

    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


needs_onnx = pytest.mark.skipif(bool(_missing()), reason="needs pip install 'jptextclf[onnx]'")


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """The trained run as an ONNX export without its documents, and the reports of both graphs."""
    place = tmp_path_factory.mktemp("onnx") / "出力"
    place.mkdir()
    for path in trained.path.iterdir():
        if path.suffix == ".json" and path.name != "MANIFEST.json":
            shutil.copyfile(path, place / path.name)
    classifier, adapter, _ = trained.bundle.load_model("cpu")
    reports = write_graphs(classifier, adapter, place, max_length=64)
    return place, {report.precision: report for report in reports}


@pytest.fixture
def export_copy(exported, tmp_path):
    """The same, to be damaged."""
    return shutil.copytree(exported[0], tmp_path / "export")


@needs_onnx
def test_the_float32_graph_gives_the_probabilities_of_the_run(trained, exported, reviews):
    texts = [*TEXTS, *(text for text, _ in reviews)]
    expected = trained.predict(texts)
    found = Predictor.of_onnx(exported[0], precision="float32").predict(texts)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    assert found.labels == expected.labels
    assert found.truncated.tolist() == expected.truncated.tolist()
    assert found.empty.tolist() == expected.empty.tolist()


@needs_onnx
def test_the_int8_graph_gives_the_labels_of_the_run(trained, exported, reviews):
    texts = [text for text, _ in reviews]
    found = Predictor.of_onnx(exported[0], precision="int8").predict(texts)
    assert found.labels == trained.predict(texts).labels
    assert exported[1]["int8"].agreement >= 0.99


@needs_onnx
def test_a_report_says_what_was_written_and_compared(exported):
    place, reports = exported
    for precision, name in ONNX_FILES.items():
        report = reports[precision]
        assert report.file == name
        assert report.size == (place / name).stat().st_size
        assert report.inputs == ("input_ids", "attention_mask")
        assert report.opset == exporter.OPSET
        assert exporter._TRACED not in report.shapes
        assert len(report.shapes) >= 5
        assert report.n_texts == 720
        assert json.loads(json.dumps(report.to_json()))["agreement"] == pytest.approx(report.agreement)
    assert reports["float32"].max_difference < 1e-5
    assert reports["float32"].n_changed == 0
    assert reports["int8"].max_difference > reports["float32"].max_difference


@needs_onnx
@pytest.mark.parametrize("precision", ONNX_FILES)
def test_a_graph_is_valid_and_tells_nothing_about_this_machine(exported, precision):
    import onnx

    content = (exported[0] / ONNX_FILES[precision]).read_bytes()
    graph = onnx.load_from_string(content)
    onnx.checker.check_model(graph, full_check=True)
    assert [one.dim_param for one in graph.graph.input[0].type.tensor_type.shape.dim] == ["batch", "length"]
    carriers = [graph, graph.graph, *graph.graph.node, *graph.graph.initializer, *graph.graph.value_info]
    assert not any(one.doc_string or one.metadata_props for one in carriers)
    assert not any(one.external_data for one in graph.graph.initializer)
    for trace in (b".py", b"site-packages", str(Path.home()).encode(), str(Path.cwd()).encode()):
        assert trace not in content


@needs_onnx
def test_only_the_encoder_is_in_int8(exported):
    import onnx

    graph = onnx.load(exported[0] / ONNX_FILES["int8"]).graph
    floats = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    assert any("word_embeddings" in name for name in floats)
    assert any("classifier.weight" in name for name in floats)
    # In each of two layers, four products of attention and two of the feed-forward block.
    assert sum(node.op_type == "MatMulIntegerToFloat" for node in graph.node) == 12
    assert [one.dims[0] for one in graph.initializer if one.name.endswith("_kept")] == [KEPT] * 4
    shapes = [tuple(one.dims) for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
    assert not {(32, 64), (64, 32)} & set(shapes)
    # The pooler's.
    assert shapes.count((32, 32)) == 1


def _product_graph(weight):
    """A float32 graph of one product with a matrix, as the exporter writes it."""
    from onnx import TensorProto, helper, numpy_helper

    rows, columns = weight.shape
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["batch", "length", rows])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", "length", columns])
    node = helper.make_node("MatMul", ["given", "weight"], ["output"])
    graph = helper.make_graph([node], "graph", [given], [output], [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", exporter.OPSET)], ir_version=10)


def _run(graph, given):
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"given": given})[0]


@needs_onnx
@pytest.mark.parametrize("columns", [48, 96])
def test_a_row_in_int8_stands_for_itself(columns):
    drawn = np.random.default_rng(0)
    weight = drawn.standard_normal((48, columns)).astype(np.float32)
    weight[:, 3] = 0
    graph = quantise_products(_product_graph(weight))
    given = drawn.standard_normal((2, 5, 48)).astype(np.float32)
    given[0, 1], given[1, 2] = 0, given[1, 2] * 1000
    found, expected = _run(graph, given), given @ weight
    sizes = np.abs(given).max(axis=-1, keepdims=True)
    assert (np.abs(found - expected) <= 0.12 * sizes).all()
    assert (found[0, 1] == 0).all()
    assert (found[..., 3] == 0).all()
    alone = _run(graph, given[:1, :1])
    assert (alone == found[:1, :1]).all()


@needs_onnx
def test_a_channel_that_is_always_large_stays_exact():
    drawn = np.random.default_rng(0)
    weight = drawn.standard_normal((96, 48)).astype(np.float32)
    weight[7] *= 40
    given = drawn.standard_normal((1, 9, 96)).astype(np.float32)
    given[..., 7] = 300
    error = np.abs(_run(quantise_products(_product_graph(weight)), given) - given @ weight)
    assert error.max() < 0.3
    # One scale for the row could not tell values of 1 from 0.
    assert np.abs(given @ weight).max() > 10_000


@needs_onnx
def test_int8_logits_do_not_depend_on_the_texts_beside(exported, reviews):
    texts = [text for text, _ in reviews][:40]
    predictor = Predictor.of_onnx(exported[0], precision="int8")
    alone = [predictor.predict([text]).probabilities[0] for text in texts]
    np.testing.assert_allclose(predictor.predict(texts).probabilities, alone, atol=1e-6)


@needs_onnx
def test_the_same_run_gives_the_same_bytes(trained, exported, tmp_path):
    import onnx

    place, reports = exported
    classifier, adapter, _ = trained.bundle.load_model("cpu")
    assert write_onnx(classifier, adapter, tmp_path, max_length=64) == reports["float32"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == (place / "model.onnx").read_bytes()
    again = quantise_products(onnx.load(tmp_path / "model.onnx"))
    assert exporter._bytes(again) == (place / "model.int8.onnx").read_bytes()


def _electra(directory):
    """The tiny BERT's tokenizer under an ELECTRA, whose embeddings are narrower than its layers."""
    from transformers import ElectraConfig, ElectraModel

    make_tiny_encoder(directory)
    own = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    config = ElectraConfig(
        vocab_size=own["vocab_size"], embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128, pad_token_id=own["pad_token_id"],
    )  # fmt: skip
    ElectraModel(config).save_pretrained(directory)
    return directory


@needs_onnx
@pytest.mark.parametrize("architecture", ["distilbert", "electra", "rinna", "xlmr"])
def test_other_architectures_are_equal_too(architecture, request, tmp_path):
    if architecture in {"rinna", "xlmr"}:
        directory = request.getfixturevalue(f"tiny_{architecture}_encoder")
    else:
        directory = (
            _electra(tmp_path)
            if architecture == "electra"
            else make_tiny_encoder(tmp_path, architecture=architecture)
        )
    files = resolve_encoder(str(directory))
    # The two SentencePiece encoders lie beside no tokenizer that says which adapter it wants.
    name = "sentencepiece" if architecture in {"rinna", "xlmr"} else "huggingface"
    schema = LabelSchema(("a", "b", "c"), "multiclass")
    first_position = 0 if architecture == "rinna" else None
    classifier = build_classifier(files, schema, seed=0, first_position=first_position).eval()
    adapter = open_adapter(directory, name=name)
    out = tmp_path / "out"
    out.mkdir()
    report = write_onnx(classifier, adapter, out, max_length=100, sample_texts=TEXTS)
    assert report.inputs == ("input_ids", "attention_mask")
    assert report.max_difference < 1e-5
    classifier.network.config.to_json_file(out / "config.json")
    encodings = adapter.encode(TEXTS, max_length=100)
    expected, found = (
        compute_logits(one, encodings, max_tokens=256) for one in (classifier, load_onnx_classifier(out))
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@needs_onnx
def test_a_multilabel_classifier_keeps_its_task_and_the_caller_keeps_its_classifier(classifier_of, tmp_path):
    schema = LabelSchema(("値段", "味", "部屋"), "multilabel")
    classifier, adapter = classifier_of(schema)
    classifier.train()
    before = classifier.network.config.to_dict(), classifier.network.config._attn_implementation
    report = write_onnx(
        classifier, adapter, tmp_path, precision="int8", max_length=64, sample_texts=TEXTS,
        thresholds=(0.0, 1.0, 0.2),
    )  # fmt: skip
    assert classifier.training
    assert (classifier.network.config.to_dict(), classifier.network.config._attn_implementation) == before
    assert report.n_texts == len(TEXTS)
    assert report.n_changed == 0
    classifier.network.config.to_json_file(tmp_path / "config.json")
    adapter.save_pretrained(tmp_path, max_length=64)
    predictor = Predictor.of_onnx(tmp_path)
    assert predictor.schema == schema
    assert predictor.thresholds.tolist() == [0.5, 0.5, 0.5]
    expected = Predictor(classifier.eval(), adapter, schema, max_length=64).predict(TEXTS)
    np.testing.assert_allclose(predictor.predict(TEXTS).probabilities, expected.probabilities, atol=0.02)


@needs_onnx
def test_labels_thresholds_and_length_come_from_the_record(trained, exported):
    predictor = Predictor.of_onnx(exported[0])
    assert predictor.schema == trained.schema
    assert predictor.max_length == 64
    assert predictor.thresholds.tolist() == pytest.approx(list(trained.bundle.thresholds))
    # Of two graphs, the exact one.
    assert predictor.classifier.network.path.name == "model.onnx"
    assert predictor.predict([]).probabilities.shape == (0, 2)


@needs_onnx
def test_the_rule_comes_from_the_record(trained, export_copy):
    record = json.loads((export_copy / "jptextclf.json").read_text(encoding="utf-8"))
    probabilities = trained.predict(TEXTS).probabilities.max(axis=1)
    rule = Rule(review=((0.0, float(np.median(probabilities)) + 1e-3),) * trained.schema.n_labels)
    record["rule"] = rule.to_json()
    (export_copy / "jptextclf.json").write_text(json.dumps(record), encoding="utf-8")
    predictor = Predictor.of_onnx(export_copy)
    assert predictor.rule == rule
    asked = predictor.predict(TEXTS).needs_review
    assert asked.any()
    assert asked.tolist() == (probabilities < rule.review[0][1]).tolist()
    record["rule"]["review"] = [[0, 1]]
    (export_copy / "jptextclf.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(SetupError, match="JPT-E062"):
        Predictor.of_onnx(export_copy)


@needs_onnx
def test_a_classifier_travels_to_another_process(exported):
    classifier = load_onnx_classifier(exported[0], precision="int8")
    again = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - made one line above
    ids, splits = torch.arange(5, 12), torch.tensor([0, 3, 7])
    assert torch.equal(again(ids, splits), classifier(ids, splits))


@needs_onnx
@pytest.mark.parametrize(
    ("flags", "precise"),
    [("avx2 avx512f", "1"), ("avx2 avx512_vnni", "0"), ("avx2 avx_vnni", "0"), (None, "1")],
)
def test_sums_are_never_clipped(exported, tmp_path, monkeypatch, flags, precise):
    """With exact products where the CPU is not known to add in 32 bits; both give the same logits elsewhere."""
    information = tmp_path / "cpuinfo"
    if flags is not None:
        information.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n", encoding="utf-8")
    ids, splits = torch.arange(5, 12), torch.tensor([0, 3, 7])
    expected = load_onnx_classifier(exported[0], precision="float32")(ids, splits)
    monkeypatch.setattr("jptextclf.onnx_model._CPU_INFO", information)
    found = load_onnx_classifier(exported[0], precision="int8")
    options = found.network._session.get_session_options()
    assert options.get_session_config_entry("session.x64quantprecision") == precise
    torch.testing.assert_close(found(ids, splits), expected, atol=0.05, rtol=0)


@needs_onnx
def test_what_cannot_be_read_is_said(export_copy):
    def code_of(error, **options):
        with pytest.raises(error) as caught:
            Predictor.of_onnx(export_copy, **options)
        assert caught.value.hint
        return caught.value.code

    assert code_of(ConfigError, device="cuda") == "JPT-U161"
    assert code_of(ConfigError, precision="int4") == "JPT-U160"
    (export_copy / "model.int8.onnx").write_bytes(b"no graph")
    assert code_of(SetupError, precision="int8") == "JPT-E080"
    record = (export_copy / "jptextclf.json").read_text(encoding="utf-8")
    (export_copy / "jptextclf.json").write_text(record.replace("max_length", "length"), encoding="utf-8")
    assert code_of(SetupError) == "JPT-E062"
    (export_copy / "config.json").write_text("{", encoding="utf-8")
    assert code_of(SetupError) == "JPT-E082"
    (export_copy / "model.onnx").unlink()
    assert code_of(SetupError, precision="float32") == "JPT-E081"


@needs_onnx
def test_a_graph_that_computes_something_else_is_not_written(classifier_of, exported, tmp_path, monkeypatch):
    import onnx

    graph = onnx.load(exported[0] / "model.onnx")
    monkeypatch.setattr(exporter, "_graph_of", lambda network, max_length: graph)
    classifier, adapter = classifier_of(LabelSchema(("a", "b"), "binary"))
    with pytest.raises(WorkError) as caught:
        write_onnx(classifier, adapter, tmp_path, precision="int8", max_length=32, sample_texts=[])
    assert caught.value.code == "JPT-W040"
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_weights_that_do_not_fit_into_one_file_are_refused(classifier_of, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "LARGEST", 50_000)
    classifier, adapter = classifier_of(LabelSchema(("a", "b"), "binary"))
    with pytest.raises(SetupError) as caught:
        write_onnx(classifier, adapter, tmp_path, max_length=32, sample_texts=[])
    assert caught.value.code == "JPT-E084"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_package_is_named_with_the_extra(classifier_of, tmp_path, monkeypatch, package):
    for name in PACKAGES[: PACKAGES.index(package)]:
        monkeypatch.setitem(sys.modules, name, sys.modules[__name__])
    monkeypatch.setitem(sys.modules, package, None)
    classifier, adapter = classifier_of(LabelSchema(("a", "b"), "binary"))
    with pytest.raises(SetupError) as caught:
        write_onnx(classifier, adapter, tmp_path, max_length=32)
    assert caught.value.code == "JPT-E001"
    assert package in caught.value.message
    assert "jptextclf[onnx]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_prediction_without_onnxruntime_names_the_extra(classifier_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    classifier, _ = classifier_of(LabelSchema(("a", "b"), "binary"))
    classifier.network.config.to_json_file(tmp_path / "config.json")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(SetupError) as caught:
        Predictor.of_onnx(tmp_path)
    assert caught.value.code == "JPT-E001"
    assert "jptextclf[onnx]" in caught.value.hint


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_loss_is_said_in_words(language):
    messages.use_language(language)
    fields = {"precision": "int8", "file": "model.int8.onnx", "size": 10**6, "opset": 18, "inputs": ("input_ids",),
              "shapes": ((1, 2),), "max_difference": 0.5, "n_texts": 200}  # fmt: skip
    little, much = (OnnxReport(**fields, n_changed=changed) for changed in (2, 3))
    assert little.loss == ""
    assert len(little.lines()) == 3
    assert "int8" in little.lines()[-1]
    assert len(OnnxReport(**{**fields, "precision": "float32"}, n_changed=0).lines()) == 2
    assert "98.5%" in much.loss
    assert much.lines()[-1] == much.loss
    assert OnnxReport(**{**fields, "n_texts": 0}, n_changed=0).agreement == 1.0


@pytest.mark.full
@needs_onnx
def test_int8_agrees_with_float32_on_real_reviews(shared, tmp_path):
    """The embedded encoder trained on pn; the labels of its dev part are compared."""
    rows = [line.split("\t") for line in (shared / "data/jrte/pn.tsv").read_text("utf-8").splitlines()]
    source = tmp_path / "train.tsv"
    source.write_text("".join("\t".join(row) + "\n" for row in rows if row[4] == "train"), encoding="utf-8")
    dev = [row[2] for row in rows if row[4] == "dev"]
    run = train(source, columns=COLUMNS, out=tmp_path / "run")
    classifier, adapter, _ = run.bundle.load_model("cpu")
    length = run.bundle.max_length
    exact, report = write_graphs(classifier, adapter, tmp_path, max_length=length, sample_texts=dev)
    print(json.dumps(report.to_json()))
    assert exact.n_changed == 0
    assert report.n_texts == len(dev)
    assert report.agreement >= 0.99


@pytest.mark.full
@needs_onnx
def test_int8_is_as_fast_as_asked():
    program = Path(__file__).parent / "benchmarks" / "inference.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=3600)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reached") == 2
