"""Cards of encoders and dictionaries: what they are, and what is stated about their licences and where.

They do not judge licences and do not know what is installed or downloaded. A card is a TOML file in
``encoders/`` or ``dictionaries/``; what has no source is empty there and means "not verified".
"""

from jptextclf.cards._describe import CardFact, card_facts, card_to_json, describe_encoder_card
from jptextclf.cards._dictionary import (
    DictionaryCard,
    dictionary_cards,
    load_dictionary_card,
    read_dictionary_card,
)
from jptextclf.cards._encoder import (
    TECHNICAL_FIELDS,
    EncoderCard,
    Golden,
    cards_beside,
    encoder_cards,
    filled_fields,
    find_card_by_file,
    find_encoder_card,
    load_encoder_card,
    read_encoder_card,
    require_encoder_card,
)
from jptextclf.cards._reading import LicenseStatement, Part

__all__ = [
    "TECHNICAL_FIELDS",
    "CardFact",
    "DictionaryCard",
    "EncoderCard",
    "Golden",
    "LicenseStatement",
    "Part",
    "card_facts",
    "card_to_json",
    "cards_beside",
    "describe_encoder_card",
    "dictionary_cards",
    "encoder_cards",
    "filled_fields",
    "find_card_by_file",
    "find_encoder_card",
    "load_dictionary_card",
    "load_encoder_card",
    "read_dictionary_card",
    "read_encoder_card",
    "require_encoder_card",
]
