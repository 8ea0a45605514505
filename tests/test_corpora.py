"""Corpora: cards are strict, texts are fetched whole, verified and pinned, and licences are accepted first."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import ssl
from pathlib import Path

import pytest
from fakehub import FakeHub

from jptextclf import corpora, download, messages
from jptextclf.atomic import sha256_of
from jptextclf.cli import cli
from jptextclf.corpus_card import read_card
from jptextclf.errors import ConfigError, DataError, SetupError, WorkError
from jptextclf.progress import Logged
from jptextclf.store import manifest_sha256, store_dir

CARDS = Path(__file__).parents[1] / "corpora"
NO_ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
TEXTS = "".join(f"pn{n}\t{n % 3 - 1}\t文その{n}\t{{}}\ttrain\n" for n in range(300)).encode()


@pytest.fixture(autouse=True)
def english():
    messages.use_language("en")
    yield
    messages.use_language(None)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    return tmp_path / "store"


@pytest.fixture
def hub():
    with FakeHub.serve() as server:
        yield server


def code_of(caught) -> str:
    return caught.value.code


def write_card(root: Path, name: str, **changes: str) -> Path:
    """The JRTE card with the last line of each of these keys replaced."""
    text = "\n" + (CARDS / "jrte-pn" / "corpus.toml").read_text(encoding="utf-8").replace(
        '"jrte-pn"', f'"{name}"'
    )
    for old, new in changes.items():
        start = text.rindex(f"\n{old} = ") + 1
        end = text.index("\n", start)
        text = text[:start] + (f"{old} = {new}" if new else "") + text[end:]
    path = root / name / "corpus.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_card(path)
    assert code_of(caught) == "JPT-D050"
    return caught.value.message


# Cards


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize("card", corpora.list_corpora(), ids=lambda card: card.name)
def test_every_card_is_valid_and_can_be_shown_in_both_languages(card, language):
    messages.use_language(language)
    rows = corpora.describe(card)
    assert all(heading and value for heading, value in rows)
    unverified = messages.text("corpora.not_verified")
    facts = corpora.facts(card)
    shown = [facts[key] for key in ("homepage", "revision", "columns", "files", "tasks", "citation")]
    shown += [facts["license"][key] for key in ("expression", "commercial", "evidence")]
    assert [value for _, value in rows].count(unverified) == shown.count(None)


@pytest.mark.parametrize("card", corpora.list_corpora(), ids=lambda card: card.name)
def test_the_facts_for_machines_are_the_same_in_every_language(card):
    found = []
    for language in messages.LANGUAGES:
        messages.use_language(language)
        found.append(corpora.facts(card))
    assert found[0] == found[1]
    assert list(found[0]) == [
        "title", "description", "language", "state", "homepage", "revision", "citation", "personal_information",
        "license", "columns", "text_column", "split_column", "tasks", "files", "obtain",
    ]  # fmt: skip
    assert json.loads(json.dumps(found[0])) == found[0]


def test_a_fact_that_is_not_verified_is_null():
    facts = corpora.facts(corpora.load_card("chabsa"))
    card = corpora.load_card("chabsa")
    assert facts["files"] is None
    assert (facts["revision"], facts["citation"]) == (card.revision or None, card.citation or None)
    assert facts["title"] == {"ja": card.title.ja, "en": card.title.en}
    pn = corpora.facts(corpora.load_card("jrte-pn"))
    assert pn["license"]["expression"] == "CC-BY-NC-SA-4.0"
    assert pn["license"]["evidence"][0]["statement"]
    assert pn["files"][0]["split"] == "all"
    assert pn["tasks"][0]["name"] == "polarity"


def test_the_promised_corpora_have_cards():
    names = {card.name for card in corpora.list_corpora()}
    assert names >= {
        "jrte-pn", "jrte-rhr", "wrime", "livedoor-news", "jglue-marc-ja", "chabsa", "emotion", "jcola",
    }  # fmt: skip


def test_every_licence_statement_has_evidence():
    for card in corpora.list_corpora():
        assert card.license.evidence, card.name


def test_a_licence_without_evidence_does_not_load(tmp_path):
    path = write_card(tmp_path, "bare")
    parts = re.split(r"(?m)^(?=\[)", path.read_text(encoding="utf-8"))
    bare = "".join(one for one in parts if not one.startswith("[[license.evidence]]"))
    path.write_text(bare, encoding="utf-8")
    assert "license.evidence is []" in problems_of(path)


def test_an_unknown_corpus_names_the_closest():
    with pytest.raises(ConfigError) as caught:
        corpora.load_card("jrte-pm")
    assert code_of(caught) == "JPT-U060"
    assert "'jrte-pn'" in caught.value.message


def test_all_problems_of_a_card_are_reported_at_once(tmp_path):
    path = write_card(
        tmp_path, "bad", citation="3", state='"gone"', split_column='"part"', task='"ternary"', header='"no"',
        expression='"GPL-ish"', sha256='"abc"', homepage='"ftp://example.org"', language="",
    )  # fmt: skip
    path.write_text(path.read_text(encoding="utf-8").replace("commercial", "comercial"), encoding="utf-8")
    message = problems_of(path)
    for key in (
        "citation is 3", "state is 'gone'", "data.split_column is 'part'", "tasks.polarity.task is 'ternary'",
        "data.header is 'no'", "GPL-ish", "files[0].sha256 is 'abc'", "homepage is 'ftp:", "missing key 'language'",
        "unknown key 'license.comercial' Did you mean 'commercial'?",
    ):  # fmt: skip
        assert key in message, key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"header": "false", "columns": "[]"}, "the files have no header"),
        ({"columns": '["id", "id", "text", "label", "split"]'}, "differ from each other"),
        ({"path": '"../pn.tsv"'}, "a plain file name"),
        ({"path": '"corpus.toml"'}, "a plain file name"),
        ({"split": '"dev"'}, "train, validation, test or all"),
        ({"labels": '["1", "1"]'}, "distinct"),
        ({"schema": "2"}, "schema is 2"),
        ({"line": "true"}, "a whole number"),
        ({"ja": "[1]"}, "text in quotes"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(tmp_path, changes, said):
    assert said in problems_of(write_card(tmp_path, "bad", **changes))


def test_a_card_lies_in_a_folder_of_its_name(tmp_path):
    path = write_card(tmp_path, "one")
    path.parent.rename(tmp_path / "two")
    assert "folder named 'two'" in problems_of(tmp_path / "two" / "corpus.toml")


def test_a_card_that_is_no_toml_is_one_error(tmp_path):
    path = tmp_path / "x" / "corpus.toml"
    path.parent.mkdir()
    path.write_bytes(b"name = \xff")
    problems_of(path)


def test_the_wheels_place_for_cards_wins(tmp_path, monkeypatch):
    package = tmp_path / "site" / "jptextclf"
    write_card(package / "corpora_data", "only-one")
    monkeypatch.setattr(corpora, "__file__", str(package / "corpora.py"))
    assert [card.name for card in corpora.list_corpora()] == ["only-one"]


# Texts at hand


def test_texts_beside_the_card_need_no_fetch(tmp_path, monkeypatch):
    package = tmp_path / "jptextclf"
    card = write_card(
        package / "corpora_data", "mine", path='"pn.tsv"', sha256=f'"{hashlib.sha256(TEXTS).hexdigest()}"'
    )
    (card.parent / "pn.tsv").write_bytes(TEXTS)
    monkeypatch.setattr(corpora, "__file__", str(package / "corpora.py"))
    corpus = corpora.local_corpus("mine")
    assert corpus.files == {"all": card.parent / "pn.tsv"}
    assert corpora.fetch("mine", accept_license=False) == corpus
    (card.parent / "pn.tsv").write_bytes(TEXTS + b"x")
    with pytest.raises(SetupError) as caught:
        corpora.local_corpus("mine")
    assert code_of(caught) == "JPT-E057"


def test_missing_texts_name_the_command_that_gets_them():
    with pytest.raises(SetupError) as caught:
        corpora.local_corpus("jrte-pn")
    assert code_of(caught) == "JPT-E050"
    assert "jptextclf corpora fetch jrte-pn" in caught.value.hint


def test_a_corpus_without_address_says_how_to_obtain_it_by_hand():
    with pytest.raises(SetupError) as caught:
        corpora.local_corpus("wrime")
    assert "--source FILE" in caught.value.hint


# Fetching


def test_a_fetched_corpus_has_files_columns_and_a_component(hub, store):
    progress = Logged()
    corpus = corpora.fetch(
        "jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True, progress=progress
    )
    assert corpus.files["all"].read_bytes() == TEXTS
    assert corpus.files["all"].is_relative_to(store)
    assert corpus.columns == ("id", "label", "text", "votes", "split")
    assert (corpus.text_column, corpus.label_column, corpus.split_column) == ("text", "label", "split")
    assert corpus.label_separator is None
    assert corpus.task_of("label").labels == ("-1", "0", "1")
    component = corpus.component()
    assert component.license == "CC-BY-NC-SA-4.0"
    assert component.sha256 == hashlib.sha256(TEXTS).hexdigest()
    assert component.revision
    assert component.evidence
    assert corpora.local_corpus("jrte-pn") == corpus


def test_the_revision_is_the_commit_that_the_address_names(hub):
    commit = "0123456789abcdef0123456789abcdef01234567"
    source = hub.file(f"/raw/{commit}/pn.tsv", TEXTS)
    assert corpora.fetch("jrte-pn", source=source, accept_license=True).revision == commit


@pytest.mark.parametrize("form", ["path", "file-url", "directory"])
def test_a_local_file_can_be_the_source(tmp_path, form):
    path = tmp_path / "持ち込み データ" / "pn.tsv"
    path.parent.mkdir()
    path.write_bytes(TEXTS)
    source = {"path": path, "file-url": path.as_uri(), "directory": path.parent}[form]
    assert corpora.fetch("jrte-pn", source=source, accept_license=True).files["all"].read_bytes() == TEXTS


def test_a_corpus_whose_card_names_no_files_takes_one_file(tmp_path):
    path = tmp_path / "my.csv"
    path.write_bytes(b"text,label\na,b\n")
    corpus = corpora.fetch("wrime", source=path, accept_license=True)
    assert corpus.files["all"].name == "my.csv"
    assert corpus.columns is None
    assert corpus.text_column is None
    assert corpus.label_column is None
    path.rename(tmp_path / "other.csv")
    assert corpora.fetch("wrime", source=tmp_path / "other.csv", accept_license=True) == corpus
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("wrime", source=tmp_path, accept_license=True)
    assert code_of(caught) == "JPT-U063"


def test_several_files_come_from_one_directory(tmp_path, monkeypatch, hub):
    package = tmp_path / "jptextclf"
    card = write_card(package / "corpora_data", "two", split='"train"')
    second = '\n[[files]]\nsplit = "test"\npath = "test.tsv"\n'
    card.write_text(card.read_text(encoding="utf-8") + second, encoding="utf-8")
    monkeypatch.setattr(corpora, "__file__", str(package / "corpora.py"))
    hub.file("/data/pn.tsv", TEXTS)
    one = hub.file("/data/test.tsv", b"x\t1\ty\t{}\ttest\n")
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("two", source=one, accept_license=True)
    assert "pn.tsv, test.tsv" in caught.value.message
    corpus = corpora.fetch("two", source=hub.url + "/data/", accept_license=True)
    assert set(corpus.files) == {"train", "test"}
    hashes = {path.name: sha256_of(path) for path in corpus.files.values()}
    assert corpus.sha256 == manifest_sha256(hashes)


def test_the_licence_is_shown_and_has_to_be_accepted_before_anything_is_asked_for(hub, store):
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=False)
    assert code_of(caught) == "JPT-U061"
    assert caught.value.exit_status == 2
    assert "CC-BY-NC-SA-4.0" in caught.value.message
    assert "（営利目的利用）は固く禁じます" in caught.value.message
    assert "--accept-license" in caught.value.hint
    assert hub.requests == []
    assert not store.exists()


def test_the_licence_is_shown_before_the_texts_also_where_it_is_accepted(hub):
    said = []

    class Heard(Logged):
        def say(self, sentence):
            said.append((sentence, len(hub.requests)))

    source = hub.file("/pn.tsv", TEXTS)
    corpora.fetch("jrte-pn", source=source, accept_license=True, progress=Heard())
    assert said == [(corpora.license_lines(corpora.load_card("jrte-pn")), 0)]


def test_a_withdrawn_corpus_is_not_fetched(tmp_path):
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("jglue-marc-ja", source=tmp_path, accept_license=True)
    assert code_of(caught) == "JPT-U062"


def test_no_address_and_no_source_is_an_error_that_says_what_to_do():
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("chabsa", accept_license=True)
    assert code_of(caught) == "JPT-U063"
    assert "--source FILE" in caught.value.message


@pytest.mark.parametrize("source", ["ftp://example.org/x.tsv", "s3://bucket/x", "gopher://x/y"])
def test_other_kinds_of_address_are_refused(source):
    with pytest.raises(ConfigError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-U064"


def assert_nothing_kept(store: Path) -> None:
    assert not store.exists() or not [path for path in store.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("fault", "code", "tries", "said"),
    [
        ({"status": 404}, "JPT-E052", 1, "no such file"),
        ({"status": 401}, "JPT-E052", 1, "login"),
        ({"status": 403}, "JPT-E052", 1, "forbidden"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, "JPT-E052", 3, "too many requests"),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, "JPT-E052", 1, "too many requests"),
        ({"status": 503}, "JPT-E052", 3, "server has a fault"),
        ({"cut": 100}, "JPT-E053", 3, f"100 of {len(TEXTS)} bytes"),
    ],
)
def test_a_failed_fetch_is_one_clear_error_and_leaves_nothing(hub, store, fault, code, tries, said):
    source = hub.file("/pn.tsv", TEXTS)
    hub.fail("/pn.tsv", **fault)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == code
    assert said in caught.value.message
    assert len(hub.requests) == tries
    assert_nothing_kept(store)


@pytest.mark.parametrize(
    "fault", [{"status": 502}, {"cut": 10}, {"status": 429, "headers": {"Retry-After": "0"}}]
)
def test_a_failure_that_passes_is_survived(hub, fault):
    source = hub.file("/pn.tsv", TEXTS)
    hub.fail("/pn.tsv", times=1, **fault)
    assert corpora.fetch("jrte-pn", source=source, accept_license=True).files["all"].read_bytes() == TEXTS


def test_nobody_listening_is_a_clear_error(store):
    with FakeHub.serve() as gone:
        source = gone.file("/pn.tsv", TEXTS)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-E051"
    assert_nothing_kept(store)


def test_a_silent_server_is_given_up_on(hub, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    source = hub.file("/pn.tsv", TEXTS)
    hub.fail("/pn.tsv", delay=0.5)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-E051"


@pytest.mark.parametrize(
    "fault",
    [ssl.SSLError(1, "bad record mac"), OSError(errno.EHOSTUNREACH, "no route"), ConnectionResetError()],
)
def test_a_connection_that_breaks_while_it_is_read_is_no_fault_of_the_disk(hub, store, monkeypatch, fault):
    def broken(*_):
        raise fault

    monkeypatch.setattr(http.client.HTTPResponse, "read", broken)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    assert code_of(caught) == "JPT-E053"
    assert len(hub.requests) == download.ATTEMPTS
    assert_nothing_kept(store)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_fault_of_the_connection(hub):
    with pytest.raises(OSError, match="space"):
        download.download(hub.file("/pn.tsv", TEXTS), Path("/dev/full"))
    assert len(hub.requests) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large_is_not_taken(hub, store, monkeypatch, tmp_path, announced):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    if announced:
        source = hub.file("/pn.tsv", TEXTS)
    else:
        source = str(tmp_path / "pn.tsv")
        Path(source).write_bytes(TEXTS)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-E054"
    assert_nothing_kept(store)


def test_a_web_page_is_not_taken_for_texts(hub):
    source = hub.file("/pn.tsv", b"<html>", "text/html; charset=utf-8")
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-E056"


def test_a_redirect_is_followed_but_not_to_this_machines_files(hub, tmp_path):
    hub.file("/pn.tsv", TEXTS)
    hub.redirects["/good"] = "/pn.tsv"
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"secret")
    hub.redirects["/bad"] = secret.as_uri()
    with pytest.raises(SetupError):
        corpora.fetch("jrte-pn", source=hub.url + "/bad", accept_license=True)
    assert (
        corpora.fetch("jrte-pn", source=hub.url + "/good", accept_license=True).files["all"].read_bytes()
        == TEXTS
    )


def test_a_password_in_an_address_is_neither_printed_nor_stored(hub, store):
    hub.file("/pn.tsv", TEXTS)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=hub.url + "/none?token=s3cr3t", accept_license=True)
    assert "s3cr3t" not in str(caught.value)
    corpora.fetch("jrte-pn", source=hub.url + "/pn.tsv?token=s3cr3t", accept_license=True)
    assert "s3cr3t" not in (store / "corpora" / "jrte-pn" / "MANIFEST.json").read_text(encoding="utf-8")
    assert download.shown("https://me:s3cr3t@example.org/x?y=s3cr3t") == "https://example.org/x"


# Pins


def test_a_later_fetch_of_other_bytes_shows_both_hashes_and_keeps_the_first(hub):
    source = hub.file("/pn.tsv", TEXTS)
    first = corpora.fetch("jrte-pn", source=source, accept_license=True)
    other = TEXTS.replace("文".encode(), "書".encode())
    hub.file("/pn.tsv", other)
    with pytest.raises(SetupError) as caught:
        corpora.fetch("jrte-pn", source=source, accept_license=True)
    assert code_of(caught) == "JPT-E058"
    assert hashlib.sha256(TEXTS).hexdigest() in caught.value.message
    assert hashlib.sha256(other).hexdigest() in caught.value.message
    assert corpora.local_corpus("jrte-pn") == first


def test_the_cards_hash_is_stronger_than_the_source(tmp_path, monkeypatch, hub, store):
    package = tmp_path / "jptextclf"
    write_card(package / "corpora_data", "pinned", sha256=f'"{"0" * 64}"')
    monkeypatch.setattr(corpora, "__file__", str(package / "corpora.py"))
    with pytest.raises(SetupError) as caught:
        corpora.fetch("pinned", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    assert code_of(caught) == "JPT-E058"
    assert "the card" in caught.value.message
    assert_nothing_kept(store)


def test_texts_that_changed_in_the_store_are_not_used(hub):
    corpus = corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    corpus.files["all"].write_bytes(TEXTS[:-1])
    with pytest.raises(SetupError) as caught:
        corpora.local_corpus("jrte-pn")
    assert code_of(caught) == "JPT-E057"
    corpora.fetch("jrte-pn", source=hub.url + "/pn.tsv", accept_license=True)
    assert corpora.local_corpus("jrte-pn") == corpus


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"schema": 9}', b'{"schema": 1}', b"\xff"])
def test_a_damaged_pin_is_an_error_not_a_crash(hub, store, damage):
    corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    (store / "corpora" / "jrte-pn" / "MANIFEST.json").write_bytes(damage)
    with pytest.raises(SetupError) as caught:
        corpora.local_corpus("jrte-pn")
    assert code_of(caught) == "JPT-E059"


@pytest.mark.parametrize("is_file", [True, pytest.param(False, marks=NO_ROOT)])
def test_a_store_that_cannot_be_written_is_a_clear_error(hub, store, is_file):
    if is_file:
        store.write_text("not a directory", encoding="utf-8")
    else:
        store.mkdir(mode=0o500)
    with pytest.raises(WorkError) as caught:
        corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    assert code_of(caught) == "JPT-W011"


# The store


def test_the_store_follows_its_variables(monkeypatch, tmp_path):
    assert store_dir() == tmp_path / "store"
    monkeypatch.delenv("JPTEXTCLF_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert store_dir() == tmp_path / "xdg" / "jptextclf"


def test_a_pin_records_what_was_accepted(hub, store):
    corpora.fetch("jrte-pn", source=hub.file("/pn.tsv", TEXTS), accept_license=True)
    pin = json.loads((store / "corpora" / "jrte-pn" / "MANIFEST.json").read_text(encoding="utf-8"))
    assert pin["license"] == "CC-BY-NC-SA-4.0"
    assert pin["sources"] == {"pn.tsv": hub.url + "/pn.tsv"}


# The command line


def run(capfdbinary, *args):
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, args)), prog_name="jptextclf")
    shown = capfdbinary.readouterr()
    return ended.value.code, shown.out, shown.err.decode()


def test_a_card_is_shown_to_machines_by_its_facts(capfdbinary):
    status, out, _ = run(capfdbinary, "corpora", "show", "jrte-pn", "--json", "--lang", "ja")
    assert status == 0
    assert json.loads(out) == {
        "schema_version": 1,
        "name": "jrte-pn",
        "facts": corpora.facts(corpora.load_card("jrte-pn")),
    }


def test_a_fetch_tells_machines_what_was_fetched_and_people_the_licence(capfdbinary, hub, store):
    source = hub.file("/pn.tsv", TEXTS)
    args = ("corpora", "fetch", "jrte-pn", "--source", source, "--accept-license")
    status, out, err = run(capfdbinary, *args, "--json")
    assert status == 0
    local = corpora.local_corpus("jrte-pn")
    assert json.loads(out) == {
        "schema_version": 1,
        "name": "jrte-pn",
        "revision": local.revision,
        "sha256": local.sha256,
        "files": {"all": str(local.files["all"])},
    }
    assert "CC-BY-NC-SA-4.0" in err
    assert run(capfdbinary, *args)[1].decode().startswith("all\t")


@pytest.mark.parametrize("name", ["jrte-pn", "jrte-rhr", "chabsa", "jcola", "jglue-marc-ja"])
def test_what_a_repository_states_is_kept_with_its_revision_and_date(name):
    read = [one for one in corpora.load_card(name).license.evidence if one.file == "README.md"]
    assert read
    for one in read:
        assert re.fullmatch(r"[0-9a-f]{40}", one.revision)
        assert one.revision in one.url
        assert one.date
