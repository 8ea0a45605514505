"""CPU time of the stock tokenizers against ours, ids alone and with offsets.

    python tests/benchmarks/tokenization.py [--route NAME] [--rounds N]

Sentences and documents of about 1,200 characters, shuffled; rounds take turns, and the median of each is compared.
Routes whose files or packages are missing are left out with the reason.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import statistics
import sys
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import SHARED

from jptextclf.adapters import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable

TOHOKU = SHARED / "tokenizers" / "tohoku-bert-base-japanese-v3"
RINNA = SHARED / "tokenizers" / "rinna-japanese-roberta-base"
DOCUMENT = 1200
"""Characters that a document has at least."""
CORPUS = Path(__file__).parents[2] / "corpora" / "reviews-ja"


class MissingError(Exception):
    """A route cannot run here, and why."""


class Route(NamedTuple):
    """What is compared; the factories give a function of a list of texts and raise :class:`MissingError`."""

    name: str
    stock: Callable[[], Callable[[list[str]], Any]]
    ours: Callable[[], Callable[[list[str], bool], Any]]
    texts: Callable[[], list[str]]
    bare: Callable[[], Callable[[list[str]], Any]] | None = None
    """The analyser alone, which nothing that uses it can beat."""


def sentences() -> list[str]:
    """The two sentence corpora of the shared data, else the reviews of the checkout; shuffled."""
    if (SHARED / "data" / "jrte").is_dir():
        files = [SHARED / "data" / "jrte" / name for name in ("pn.tsv", "rhr.tsv")]
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        texts = [line.split("\t")[2] for line in lines]
    else:
        lines = [
            line
            for file in sorted(CORPUS.glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        texts = [str(json.loads(line)["text"]) for line in lines if line.strip()]
    random.Random(0).shuffle(texts)
    return texts


def documents() -> list[str]:
    """The same sentences, joined."""
    found, current = [], ""
    for text in sentences():
        current += text
        if len(current) >= DOCUMENT:
            found.append(current)
            current = ""
    return found or [current]


def stock_of(directory: Path, *, needs: tuple[str, ...]) -> Callable[[list[str]], Any]:
    """The tokenizer that transformers opens in a directory, called on a list."""
    need(directory, needs)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(directory))
    return lambda texts: tokenizer(texts, truncation=True, max_length=10**6)


def ours_of(name: str, directory: Path, *, needs: tuple[str, ...] = ()) -> Callable[[list[str], bool], Any]:
    """An adapter over a directory; nothing is cut."""
    need(directory, needs)
    adapter = ADAPTERS.get(name)(directory)
    return lambda texts, offsets: adapter.encode(texts, max_length=10**6, offsets=offsets)


def need(directory: Path, packages: tuple[str, ...]) -> None:
    """:raises MissingError: the directory or one of the packages is not here"""
    if not directory.is_dir():
        raise MissingError(f"{directory.name} is not here")
    for package in packages:
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise MissingError(f"{package} is not installed")


def full_width(texts: list[str]) -> list[str]:
    """The same texts as old terminals wrote them: ``"ABC" -> "ＡＢＣ"``."""
    return [text.translate({point: point + 0xFEE0 for point in range(0x21, 0x7F)}) for text in texts]


def half_width(texts: list[str]) -> list[str]:
    """The same texts with half-width kana: ``"パン" -> "ﾊﾟﾝ"``."""
    kana = {unicodedata.normalize("NFKC", chr(point)): chr(point) for point in range(0xFF66, 0xFF9E)}
    for point in range(0xFF66, 0xFF9E):
        for mark in "ﾞﾟ":
            whole = unicodedata.normalize("NFKC", chr(point) + mark)
            if len(whole) == 1:
                kana[whole] = chr(point) + mark
    table = str.maketrans(kana)
    return [text.translate(table) for text in texts]


def bare_mecab() -> Callable[[list[str]], Any]:
    """fugashi's parse of each text, words with spaces between them."""
    need(TOHOKU, ("fugashi", "unidic_lite"))
    import fugashi
    import unidic_lite

    parse = fugashi.GenericTagger(
        f'-d "{unidic_lite.DICDIR}" -r "{unidic_lite.DICDIR}/mecabrc" -Owakati'
    ).parse
    return lambda texts: [parse(text) for text in texts]


def _mecab(name: str, texts: Callable[[], list[str]]) -> Route:
    packages = ("fugashi", "unidic_lite")
    return Route(
        name,
        lambda: stock_of(TOHOKU, needs=packages),
        lambda: ours_of("mecab", TOHOKU, needs=packages),
        texts,
        bare_mecab,
    )


def _character(name: str, texts: Callable[[], list[str]]) -> Route:
    packages = ("fugashi", "unidic_lite")

    def stock() -> Callable[[list[str]], Any]:
        need(TOHOKU, packages)
        from transformers import BertJapaneseTokenizer

        tokenizer = BertJapaneseTokenizer.from_pretrained(str(TOHOKU), subword_tokenizer_type="character")
        return lambda texts: tokenizer(texts, truncation=True, max_length=10**6)

    def ours() -> Callable[[list[str], bool], Any]:
        need(TOHOKU, packages)
        adapter = ADAPTERS.get("mecab")(TOHOKU, options={"subword": "character"})
        return lambda texts, offsets: adapter.encode(texts, max_length=10**6, offsets=offsets)

    return Route(name, stock, ours, texts)


def _sentencepiece(name: str, texts: Callable[[], list[str]]) -> Route:
    return Route(
        name,
        lambda: stock_of(RINNA, needs=("sentencepiece", "google.protobuf")),
        lambda: ours_of("sentencepiece", RINNA, needs=("sentencepiece",)),
        texts,
    )


ROUTES = [
    _mecab("mecab-sentences", lambda: sentences()[:4000]),
    _mecab("mecab-sentences-full", lambda: full_width(sentences()[:4000])),
    _mecab("mecab-sentences-half", lambda: half_width(sentences()[:4000])),
    _mecab("mecab-documents", lambda: documents()[:80]),
    _mecab("mecab-documents-full", lambda: full_width(documents()[:80])),
    _mecab("mecab-documents-half", lambda: half_width(documents()[:80])),
    _character("mecab-character-sentences", lambda: sentences()[:4000]),
    _character("mecab-character-documents", lambda: documents()[:80]),
    _sentencepiece("sentencepiece-sentences", sentences),
    _sentencepiece("sentencepiece-documents", documents),
]


def measure(route: Route, rounds: int) -> dict[str, float]:
    """Median CPU seconds of one pass over the texts: ``stock``, ``ids``, ``offsets``, and ``bare`` where there is one."""
    texts, stock, ours = route.texts(), route.stock(), route.ours()
    passes: dict[str, Callable[[], Any]] = {
        "stock": lambda: stock(texts),
        "ids": lambda: ours(texts, False),
        "offsets": lambda: ours(texts, True),
    }
    if route.bare is not None:
        bare = route.bare()
        passes["bare"] = lambda: bare(texts)
    taken: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds + 1):
        for name, run in passes.items():
            before = time.process_time()
            run()
            taken[name].append(time.process_time() - before)
    # The first round fills caches.
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--route", help="only the routes whose name begins like this")
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    print(
        f"{'route':<26} {'stock':>10} {'ids':>10} {'offsets':>10} {'ids x':>7} {'offsets x':>10} {'of bare':>8}"
    )
    for route in ROUTES:
        if arguments.route and not route.name.startswith(arguments.route):
            continue
        try:
            found = measure(route, arguments.rounds)
        except MissingError as reason:
            print(f"{route.name:<26} left out: {reason}")
            continue
        milliseconds = [f"{1000 * found[name]:>7.1f} ms" for name in ("stock", "ids", "offsets")]
        ratios = [found["stock"] / found[name] for name in ("ids", "offsets")]
        of_bare = f"{found['bare'] / found['ids']:>8.2f}" if "bare" in found else ""
        print(f"{route.name:<26} {' '.join(milliseconds)} {ratios[0]:>6.1f}x {ratios[1]:>9.1f}x {of_bare}")


if __name__ == "__main__":
    main()
