"""Reading what upstream states about licences: cards, tags, prose. It reports; it does not judge."""

from jptextclf.licensing.reading.card import CardReading, read_card
from jptextclf.licensing.reading.mentions import Mention
from jptextclf.licensing.reading.restrictions import Restriction, find_restrictions
from jptextclf.licensing.reading.tags import TagReading, dataset_tags

__all__ = [
    "CardReading",
    "Mention",
    "Restriction",
    "TagReading",
    "dataset_tags",
    "find_restrictions",
    "read_card",
]
