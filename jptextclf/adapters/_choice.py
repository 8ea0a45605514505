"""Which adapter an encoder wants, with which options: what its card says, else what its files say.

It opens nothing. Where files leave open what decides the ids, and nothing settles it, that is an error here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.adapters._configuration import read_json
from jptextclf.adapters._dictionaries import dictionary_of
from jptextclf.adapters._spiece_files import MODEL_NAMES
from jptextclf.atomic import RUN_RECORD
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jptextclf.cards import EncoderCard

_SENTENCEPIECE_CLASSES = {"XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "CamembertTokenizer", "CamembertTokenizerFast"}  # fmt: skip
_WITH_DICTIONARY = ("mecab", "sudachi")


@dataclass(frozen=True)
class AdapterChoice:
    """What :func:`jptextclf.adapters.open_adapter` is to be given."""

    name: str
    options: Mapping[str, object]
    notes: tuple[str, ...] = ()
    """Sentences that the user should see."""


def choose_adapter(
    directory: Path, card: EncoderCard | None = None, *, dictionary: str | None = None
) -> AdapterChoice:
    """
    :param card: of the encoder, where there is one: it wins over the files
    :param dictionary: what the user says, which wins over both
    :raises SetupError: none of the adapters fits (``JPT-E070``, ``JPT-E078``), or the files are damaged
        (``JPT-E041``)
    :raises ConfigError: a dictionary for an encoder that has none (``JPT-U089``)
    """
    if card is not None:
        choice = _from_card(directory, card)
    elif (directory / RUN_RECORD).is_file():
        recorded = read_json(directory, RUN_RECORD).get("adapter") or {}
        options = recorded.get("options") or {} if isinstance(recorded, dict) else None
        if not isinstance(options, dict):
            raise SetupError("E041", path=directory, problem=f"{RUN_RECORD}: adapter")
        choice = AdapterChoice(str(recorded.get("name", "huggingface")), options)
    else:
        choice = _from_files(directory)
    if dictionary is None:
        return choice
    if choice.name not in _WITH_DICTIONARY:
        raise ConfigError("U089", dictionary=dictionary, adapter=choice.name)
    return AdapterChoice(choice.name, {**choice.options, "dictionary": dictionary})


def _from_card(directory: Path, card: EncoderCard) -> AdapterChoice:
    if not card.adapter:
        raise SetupError("E078", name=card.source, notes=card.notes)
    options: dict[str, object] = dict(card.options)
    if card.adapter == "sentencepiece" and card.first_position is not None:
        options["first_position"] = card.first_position
    own = read_json(directory, "tokenizer_config.json")
    notes = []
    if card.adapter == "mecab":
        # A vocabulary is known by its hash; other words or pieces may be made with it, and the files say so.
        if own.get("word_tokenizer_type", "mecab") != "mecab":
            return _from_files(directory)
        for key, option in (("subword_tokenizer_type", "subword"), ("do_lower_case", "lower_case")):
            options[option] = own.get(key, options.get(option))
        options = {option: value for option, value in options.items() if value is not None}
    if card.adapter == "mecab" and options.get("subword") != "character":
        told = own.get("mecab_kwargs")
        stated = told.get("mecab_dic") if isinstance(told, dict) else None
        if stated != options.get("dictionary"):
            notes.append(
                text(
                    "adapters.dictionary_of_the_card",
                    stated=stated or text("words.none"),
                    dictionary=options.get("dictionary"),
                    name=card.source,
                )
            )
    return AdapterChoice(card.adapter, options, tuple(notes))


def _from_files(directory: Path) -> AdapterChoice:
    own, network = read_json(directory, "tokenizer_config.json"), read_json(directory, "config.json")
    kind = str(own.get("tokenizer_class") or network.get("tokenizer_class") or "")
    if kind == "BertJapaneseTokenizer":
        words = own.get("word_tokenizer_type", "basic")
        if words not in _WITH_DICTIONARY:
            known = ", ".join(_WITH_DICTIONARY)
            raise SetupError("E070", path=directory, key="word_tokenizer_type", found=words, known=known)
        return AdapterChoice(words, {})
    if (directory / "tokenizer.json").is_file():
        return AdapterChoice("huggingface", {})
    if any((directory / name).is_file() for name in MODEL_NAMES) and (
        kind in _SENTENCEPIECE_CLASSES
        or (kind == "T5Tokenizer" and network.get("model_type") == "roberta")
        or (not kind and str(network.get("model_type")) in {"roberta", "xlm-roberta", "camembert"})
    ):
        return AdapterChoice("sentencepiece", {})
    if kind in {"", "BertTokenizer", "BertTokenizerFast"} and (directory / "vocab.txt").is_file():
        # Saved without its class, a Japanese vocabulary would be read with every kanji cut off.
        try:
            vocabulary = set((directory / "vocab.txt").read_text(encoding="utf-8").split("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError("E041", path=directory, problem=f"vocab.txt: {error}") from error
        seen = dictionary_of(vocabulary)
        if seen is not None:
            return AdapterChoice(
                "mecab", {"dictionary": seen}, (text("adapters.japanese_vocabulary", dictionary=seen),)
            )
    return AdapterChoice("huggingface", {})
