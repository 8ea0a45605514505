"""Tags of a hub repository -> statements: ``license:cc-by-sa-4.0``, ``language:ja``, ``base_model:…``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.identifiers import to_spdx

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class TagReading:
    """What the tags of a repository state."""

    declared: str = NOASSERTION
    """As of a card; several licence tags are joined by AND."""
    license_tags: tuple[str, ...] = ()
    """The licence tags as they stand, the evidence of ``declared``."""
    languages: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether several licences are named without saying how they combine."""
        return len(self.license_tags) > 1


def dataset_tags(tags: Iterable[str]) -> TagReading:
    """The statements in the tags of a data set or a model.

    ``["license:cc-by-sa-4.0", "language:ja"] -> declared CC-BY-SA-4.0, languages ("ja",)``. What is no text is left
    out.
    """
    known: dict[str, list[str]] = {}
    for tag in tags:
        if isinstance(tag, str) and ":" in tag:
            key, _, value = tag.partition(":")
            known.setdefault(key.strip().lower(), []).append(value.strip())
    licenses = list(dict.fromkeys(known.get("license", ())))
    return TagReading(
        declared=to_spdx(licenses),
        license_tags=tuple(f"license:{one}" for one in licenses),
        languages=_unique(known.get("language", ())),
        datasets=_unique(known.get("dataset", ())),
        # "base_model:finetune:org/name" says the relation as well; the name is what stands behind the last colon.
        base_models=_unique(one.rpartition(":")[2] for one in known.get("base_model", ())),
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
