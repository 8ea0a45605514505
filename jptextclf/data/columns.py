"""Which column holds the text, the label and the split, by usual Japanese and English names.

It does not know the rows. Names are compared without width, case and surrounding space. Two candidates of the
same rank are a question to the user, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.data.rows import Cell, folded_name, shortened, text_of
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each line is one rank; the first rank with a column in the table wins.
_TEXT = (
    "text texts 本文 テキスト 文章 全文 review_text review_body レビュー本文 レビュー文 レビュー内容 口コミ本文 口コミ内容"
    " クチコミ本文 コメント本文 コメント内容 投稿本文 投稿内容 問い合わせ内容 お問い合わせ内容 自由記述 自由回答",
    "レビュー 口コミ クチコミ コメント 内容 文 感想 意見 ご意見 投稿 ツイート つぶやき メッセージ 発話 発言 問い合わせ 説明"
    " review reviews sentence sentences comment comments content contents body message tweet utterance feedback description",
)
_LABEL = (
    # Where ids and names stand side by side, the names can be read.
    "label_name label_text ラベル名",
    "label labels ラベル 正解 正解ラベル gold gold_label",
    "評価 感情 極性 分類 カテゴリ カテゴリー クラス 区分 判定 sentiment polarity emotion class category target",
    "rating ratings stars star_rating star score 星 星の数 点数 評点 評価点 満足度",
)
_SPLIT = ("split 分割 データ分割 data_split",)

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "学習": "train",
    "訓練": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "検証": "validation",
    "開発": "validation",
    "test": "test",
    "テスト": "test",
}
"""What stands in a split column or in the name of a file -> the split."""

SEPARATOR = " "
"""Between the texts of several columns. A space: every tokenizer ends a word there; a line feed some drop."""


@dataclass(frozen=True)
class Columns:
    """The columns that matter, by their names in the table."""

    text: tuple[str, ...]
    label: str | None = None
    split: str | None = None
    votes: str | None = None
    """Annotators' votes, where they are asked for."""
    extra: tuple[str, ...] = ()
    """What is joined to the text as numbers and categories, where that is asked for."""

    def describe(self) -> str:
        """One phrase for people, such as ``text: 本文, label: 評価``."""
        parts = [text("data.column_text", names=listing(self.text))]
        if self.label is not None:
            parts.append(text("data.column_label", name=self.label))
        if self.split is not None:
            parts.append(text("data.column_split", name=self.split))
        if self.votes is not None:
            parts.append(text("votes.column", name=self.votes))
        if self.extra:
            parts.append(text("features.columns", names=listing(self.extra)))
        return listing(parts)

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {"text": list(self.text), "label": self.label, "split": self.split}
        found |= {} if self.votes is None else {"votes": self.votes}
        return found | ({"extra": list(self.extra)} if self.extra else {})


def find_columns(
    columns: Sequence[str],
    *,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    votes_column: str | None = None,
    extra_columns: Sequence[str] = (),
    need_label: bool,
) -> Columns:
    """Choose the columns, as named or by usual names.

    :param columns: all names of the table
    :param text_column: one name, several in a list, or several between commas; their texts are joined with a space
    :param split_column: the empty string: none is looked for
    :param votes_column: never looked for; ``extra_columns`` neither
    :param need_label: False where labels are not asked for: then one is taken only where it is certain
    :raises DataError: a named column is not there (``JPT-D019``); none has a usual name (``JPT-D018``, or
        ``JPT-D021`` where the first row looks like data); several have (``JPT-D020``)
    :raises ConfigError: one column is to be text and label at once (``JPT-U034``)
    """
    split = _one(columns, _SPLIT, "split", ()) if split_column is None else None
    if split_column:
        split = _named(columns, split_column)
    texts = tuple(_named(columns, name) for name in _list_of(columns, text_column))
    label = _named(columns, label_column) if label_column else None
    votes = _named(columns, votes_column) if votes_column else None
    extra = tuple(dict.fromkeys(_named(columns, name) for name in extra_columns))
    taken = (*texts, *(name for name in (label, split, votes) if name), *extra)
    missing = []
    if not texts:
        found = _one(columns, _TEXT, "text", taken)
        texts = (found,) if found is not None else ()
        missing += [] if texts else ["text"]
    if label is None:
        label = _found_label(columns, taken + texts, need_label=need_label)
        missing += ["label"] if need_label and label is None else []
    if missing:
        raise _not_found(columns, missing)
    if label in texts or (split is not None and split in (*texts, label)):
        raise ConfigError("U034", column=label if label in texts else split)
    if votes is not None and votes in (*texts, label, split):
        raise ConfigError("U034", column=votes)
    for name in extra:
        if name in (*texts, label, split, votes):
            raise ConfigError("U034", column=name)
    return Columns(texts, label, split, votes, extra)


def cells_beside(columns: Any, n_texts: int) -> dict[str, list[str]]:
    """Columns that are in memory already, as cells: a list, array or series for each name.

    :raises DataError: it is no mapping (``JPT-D066``), or a column has not as many values as there are texts
        (``JPT-D064``)
    """
    if not isinstance(columns, Mapping) and not hasattr(columns, "columns"):
        raise DataError("D066", found=type(columns).__name__)
    found = {}
    for name in columns:
        values = columns[name]
        if isinstance(values, str):
            raise DataError("D066", found=f"{name}: str")
        found[str(name)] = [
            text_of(value) for value in (values.tolist() if hasattr(values, "tolist") else values)
        ]
        if len(found[str(name)]) != n_texts:
            raise DataError("D064", name=name, found=len(found[str(name)]), expected=n_texts)
    return found


def joined(cells: Sequence[Cell]) -> str:
    """The text of one row from the cells of its text columns; empty ones leave no separator."""
    if len(cells) == 1 and isinstance(cells[0], str):
        return cells[0]
    parts = (cell if isinstance(cell, str) else SEPARATOR.join(cell) for cell in cells)
    return SEPARATOR.join(part for part in parts if part.strip())


def looks_like_data(cells: Sequence[str]) -> bool:
    """Whether a first row is hardly a header: a number, a sentence or a split name stands in it."""
    return any(
        _NUMBER.fullmatch(cell.strip()) or len(cell) > 40 or "。" in cell or cell.strip().startswith("{")
        for cell in cells
    )


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def _list_of(columns: Sequence[str], text_column: str | Sequence[str] | None) -> list[str]:
    if text_column is None:
        return []
    if not isinstance(text_column, str):
        return list(text_column)
    return (
        [text_column] if text_column in columns else [name for name in text_column.split(",") if name.strip()]
    )


def _named(columns: Sequence[str], name: str) -> str:
    """The column that the user named: exactly, else apart from width, case and space."""
    if name in columns:
        return name
    alike = [column for column in columns if folded_name(column) == folded_name(name)]
    if len(alike) == 1:
        return alike[0]
    hint = did_you_mean(name, columns)
    raise DataError("D019", name=name, columns=listing(columns, 20), hint=hint)


def _found_label(columns: Sequence[str], taken: Sequence[str], *, need_label: bool) -> str | None:
    try:
        return _one(columns, _LABEL, "label", taken)
    except DataError:
        if need_label:
            raise
        return None


def _one(columns: Sequence[str], ranks: Sequence[str], role: str, taken: Sequence[str]) -> str | None:
    """The only column of the first rank that has any."""
    for rank in ranks:
        known = {folded_name(name) for name in rank.split()}
        found = [name for name in columns if folded_name(name) in known and name not in taken]
        if len(found) > 1:
            raise DataError(
                "D020", role=text(f"data.role_{role}"), columns=listing(found), option=_OPTIONS[role]
            )
        if found:
            return found[0]
    return None


_OPTIONS = {"text": "--text-column", "label": "--label-column", "split": "--split-column"}


def _not_found(columns: Sequence[str], missing: Sequence[str]) -> DataError:
    roles = text("data.role_and").join(text(f"data.role_{role}") for role in missing)
    shown = listing((shortened(name) for name in columns), 20)
    if looks_like_data(columns):
        return DataError("D021", n=len(columns), first=shown)
    usual = [
        name for role in missing for rank in (_TEXT if role == "text" else _LABEL) for name in rank.split()
    ]
    hints = [hint for word in usual if (hint := did_you_mean(word, columns))]
    return DataError(
        "D018",
        roles=roles,
        columns=shown,
        hint=hints[0] if hints else "",
        options=text("data.role_and").join(_OPTIONS[role] for role in missing),
        n=len(columns),
    )
