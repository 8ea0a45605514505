"""The tour as HTML: one page without script, font or address, or a fragment for notebooks.

It computes nothing. Whatever comes from a text or a model is escaped, and isolated so that it cannot turn the
direction of what stands beside it.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from jptextclf.messages import language, text
from jptextclf.pages.document import GENERATOR
from jptextclf.pages.visible import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jptextclf.adapters import Word
    from jptextclf.tokens import Difference, ModelTour, Piece, TextTour, TokenTour

_N_TEXTS = 50
_N_CARDS = 600
_N_ROWS = 200
_N_CHARACTERS = 300
_N_BATCH_ROWS = 20
_N_BATCH_COLUMNS = 40
_N_COLOURS = 6
_JAPANESE = re.compile("[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]")

_STYLE = """
.jptc{--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--back:#fff;--c0:#dbeafe;--c1:#fef3c7;--c2:#dcfce7;--c3:#fce7f3;
--c4:#ede9fe;--c5:#ffedd5;--bad:#cf222e;color:var(--ink);background:var(--back);
font:15px/1.55 system-ui,"Hiragino Sans","Noto Sans CJK JP","Yu Gothic",sans-serif;padding:1px 4px}
@media (prefers-color-scheme:dark){.jptc{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--back:#0d1117;--c0:#1e3a5f;
--c1:#4d3a0a;--c2:#14432a;--c3:#4f1d3a;--c4:#3b2a63;--c5:#55300f;--bad:#ff7b72}}
.jptc h2{font-size:1.15em;margin:1.6em 0 .3em;padding-top:.6em;border-top:1px solid var(--line)}
.jptc h3{font-size:1em;margin:1.1em 0 .3em}
.jptc h4{font-size:.95em;margin:.8em 0 .2em;color:var(--soft)}
.jptc p{margin:.3em 0}
.jptc .soft,.jptc small{color:var(--soft)}
.jptc .flow{display:flex;flex-wrap:wrap;gap:4px;align-items:flex-start}
.jptc .card{display:inline-flex;flex-direction:column;align-items:stretch;text-align:center;max-width:100%;
border:1px solid var(--line);border-radius:5px;overflow:hidden}
.jptc .card .over{font-size:1.25em;line-height:1.7;min-height:1.7em;padding:0 6px;overflow-wrap:anywhere}
.jptc .card .under{display:flex;justify-content:center;gap:8px;padding:1px 6px 2px;font-size:.8em}
.jptc .card .under>span{display:flex;flex-direction:column;line-height:1.35;overflow-wrap:anywhere}
.jptc .c0 .over{background:var(--c0)}.jptc .c1 .over{background:var(--c1)}.jptc .c2 .over{background:var(--c2)}
.jptc .c3 .over{background:var(--c3)}.jptc .c4 .over{background:var(--c4)}.jptc .c5 .over{background:var(--c5)}
.jptc .special,.jptc .gap{border-style:dashed;color:var(--soft)}
.jptc .unknown{border:2px solid var(--bad)}.jptc .unknown .under{color:var(--bad)}
.jptc .cut{opacity:.55}.jptc .cut .over{text-decoration:line-through}
.jptc .cp{font:.62em/1 ui-monospace,monospace;border:1px solid var(--line);border-radius:3px;padding:1px 2px;
vertical-align:middle}
.jptc code,.jptc .num{font-family:ui-monospace,"Noto Sans Mono CJK JP",monospace;font-variant-numeric:tabular-nums}
.jptc .scroll{overflow-x:auto}
.jptc table{border-collapse:collapse;font-size:.9em;margin:.3em 0}
.jptc th,.jptc td{border:1px solid var(--line);padding:2px 8px;text-align:left;vertical-align:top}
.jptc th,.jptc td.key,.jptc td.num{white-space:nowrap}
.jptc th{font-weight:600;color:var(--soft)}.jptc td.num{text-align:right}
.jptc td.pad{color:var(--soft);opacity:.6}
.jptc .one{background:var(--c1);font-weight:700}
.jptc .sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26em),1fr));gap:0 24px}
.jptc ruby rt{font-size:.5em;color:var(--soft)}
.jptc summary{cursor:pointer;margin-top:.8em;font-weight:600}
"""


def document(tour: TokenTour) -> str:
    """A whole page."""
    title = escape(text("tokens.title"))
    return (
        f'<!DOCTYPE html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{GENERATOR}\n'
        # Nothing is fetched and nothing runs, whatever the texts hold.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>:root{{color-scheme:light dark}}body{{margin:0 auto;max-width:76em;"
        "padding:8px 16px}@media (prefers-color-scheme:dark){body{background:#0d1117}}</style>\n</head>\n"
        f"<body>\n<main>\n{fragment(tour, heading=True)}</main>\n</body>\n</html>\n"
    )


def fragment(tour: TokenTour, *, heading: bool = False) -> str:
    """What a notebook shows; its style reaches nothing else on the page."""
    body = [f"<style>{_STYLE}</style>"]
    if heading:
        body.append(f"<h1>{escape(text('tokens.title'))}</h1>")
    body += [f"<p>{_model_line(model)}</p>" for model in tour.models]
    body += [_text_section(tour, number) for number in range(min(len(tour.texts), _N_TEXTS))]
    if len(tour.texts) > _N_TEXTS:
        body.append(_soft("tokens.more_texts", n=len(tour.texts) - _N_TEXTS))
    body.append(f"<h2>{escape(text('tokens.h_batch'))}</h2>")
    body += [_batch(tour, model) for model in tour.models]
    inside = "\n".join(body)
    return f'<div class="jptc" lang="{language()}">\n{inside}\n</div>\n'


def _model_line(model: ModelTour) -> str:
    said = escape(text("tokens.model_line", name="\0", vocabulary=model.vocabulary_size))
    return said.replace("\0", f"<strong>{_isolated(model.name)}</strong>")


def _text_section(tour: TokenTour, number: int) -> str:
    found = tour.texts[number]
    lines = [
        f"<section>\n<h2>{escape(text('tokens.h_text', n=number + 1, of=len(tour.texts)))}</h2>",
        f"<h3>{escape(text('tokens.h_characters', n=len(found)))}</h3>",
        _characters(found),
    ]
    if len(tour.models) == 1:
        lines.append(_model_part(tour.models[0], number))
    else:
        sides = "".join(
            f"<div><h3>{_isolated(model.name)}</h3>\n{_model_part(model, number)}</div>"
            for model in tour.models
        )
        lines += [f'<div class="sides">{sides}</div>', _differing(tour, number)]
    return "\n".join([*lines, "</section>"])


def _characters(found: str) -> str:
    cards = [
        _card(f"<span class=num>{place}</span>", _isolated(one, alone=True))
        for place, one in enumerate(found[:_N_CHARACTERS])
    ]
    return _flow(cards) + _more("tokens.more_characters", len(found) - _N_CHARACTERS)


def _model_part(model: ModelTour, number: int) -> str:
    found = model.texts[number]
    words = found.explanation.words
    summary = text("tokens.summary", n=found.n_pieces, unknown=found.n_unknown)
    lines = [
        f"<h4>{escape(text('tokens.h_words', n=len(words)))}</h4>",
        _flow([_word(word) for word in words[:_N_CARDS]]) + _more("tokens.more_words", len(words) - _N_CARDS),
        f"<h4>{escape(text('tokens.h_pieces'))} <small>{escape(summary)}</small></h4>",
        _flow(_piece_cards(found)) + _more("tokens.more_pieces", found.n_pieces - _N_CARDS),
    ]
    if found.truncated:
        lines.append(
            f"<p>{escape(text('tokens.cut', n=found.n_pieces - found.n_kept, end=found.end_kept))}</p>"
        )
    if number == 0:
        lines.append(_one_hot(model, found))
    rows = [_piece_row(place, piece) for place, piece in enumerate(found.pieces(limit=_N_ROWS))]
    columns = [text(f"tokens.column_{name}") for name in ("place", "piece", "id", "offset", "mask", "remark")]
    lines.append(
        f"<details><summary>{escape(text('tokens.h_table'))}</summary>{_table(columns, rows)}"
        + _more("tokens.more_pieces", found.n_pieces - _N_ROWS)
        + "</details>"
    )
    return "\n".join(lines)


def _word(word: Word) -> str:
    shown = _isolated(word.surface, alone=True)
    if word.reading:
        shown = f"<ruby>{shown}<rt>{_isolated(word.reading)}</rt></ruby>"
    part = f"<span>{_isolated(word.part_of_speech)}</span>" if word.part_of_speech else ""
    return _card(f"<span>{part}<span class=num>{word.start}–{word.end}</span></span>", shown)


def _piece_cards(found: TextTour) -> list[str]:
    """One card for each stretch of the text that pieces cover together: mostly one piece, sometimes several."""
    cards: list[str] = []
    done = colour = 0
    for group in _groups(found.pieces(limit=_N_CARDS)):
        first = group[0]
        if first.kind == "special":
            cards.append(_card(_under(group), "", classes=_classes(group, "special")))
            continue
        start, end = min(one.start for one in group), max(one.end for one in group)
        if done < start:
            cards.append(_card("", _isolated(found.text[done:start], alone=True), classes="gap"))
        done = max(done, end)
        shown = _isolated(found.text[start:end], alone=not found.text[start:end].strip())
        cards.append(_card(_under(group), shown, classes=_classes(group, f"c{colour % _N_COLOURS}")))
        colour += 1
    if done < len(found.text) and found.n_pieces <= _N_CARDS:
        rest = found.text[done : done + _N_CHARACTERS]
        cards.append(_card("", _isolated(rest, alone=True), classes="gap"))
    return cards


def _groups(pieces: Iterable[Piece]) -> Iterable[list[Piece]]:
    group: list[Piece] = []
    end = 0
    for piece in pieces:
        together = piece.kind != "special" and group and group[0].kind != "special"
        if together and piece.start < end:
            group.append(piece)
        else:
            if group:
                yield group
            group = [piece]
            end = piece.end
        end = max(end, piece.end)
    if group:
        yield group


def _classes(group: Sequence[Piece], *names: str) -> str:
    marks = ["unknown"] * any(one.kind == "unknown" for one in group) + ["cut"] * all(
        one.cut for one in group
    )
    return " ".join([*names, *marks])


def _under(group: Iterable[Piece]) -> str:
    return "".join(
        f"<span>{_isolated(one.piece, alone=True)}<span class=num>{one.id}</span></span>" for one in group
    )


def _one_hot(model: ModelTour, found: TextTour) -> str:
    chosen = found.example()
    if chosen is None:
        return ""
    sentence = text(
        "tokens.one_hot", piece="\0", id=chosen.id, vocabulary=model.vocabulary_size, n=found.n_pieces,
        zeros=model.vocabulary_size - 1,
    )  # fmt: skip
    said = escape(sentence).replace("\0", f"<code>{_isolated(chosen.piece, alone=True)}</code>")
    places = one_hot_places(chosen.id, model.vocabulary_size)
    heads = "".join(
        "<th>…</th>" if one is None else f'<th class=num scope="col">{one}</th>' for one in places
    )
    cells = "".join(
        "<td>…</td>"
        if one is None
        else f'<td class="num{" one" * (one == chosen.id)}">{int(one == chosen.id)}</td>'
        for one in places
    )
    return (
        f"<h4>{escape(text('tokens.h_one_hot'))}</h4><p>{said}</p>"
        f'<div class="scroll"><table><tr>{heads}</tr><tr>{cells}</tr></table></div>'
    )


def one_hot_places(number: int, vocabulary: int) -> list[int | None]:
    """Places of a one-hot row to show: both ends and around the 1; None where places are left out."""
    near = {0, 1, number - 1, number, number + 1, vocabulary - 1}
    places: list[int | None] = []
    before = -1
    for place in sorted(one for one in near if 0 <= one < vocabulary):
        if place > before + 1:
            places.append(None)
        places.append(place)
        before = place
    return places


def _piece_row(place: int, piece: Piece) -> list[str]:
    return [
        _number(place),
        f"<td>{_isolated(piece.piece, alone=True)}</td>",
        _number(piece.id),
        f"<td class=num>{'–' if piece.kind == 'special' else f'{piece.start}–{piece.end}'}</td>",
        _number("–" if piece.cut else 1),
        f"<td>{escape(remark(piece))}</td>",
    ]


def remark(piece: Piece) -> str:
    """``special``, ``unknown`` and ``cut`` in the language of now; empty for an ordinary piece."""
    kind = text(f"tokens.{piece.kind}") if piece.kind != "text" else ""
    cut = text("tokens.left_out") if piece.cut else ""
    return text("words.comma").join(one for one in (kind, cut) if one)


def _differing(tour: TokenTour, number: int) -> str:
    lines = []
    for kind in ("words", "pieces"):
        found = tour.differences(number, kind)
        lines.append(f"<h3>{escape(text(f'tokens.differing_{kind}', n=len(found)))}</h3>")
        if found:
            columns = [text("tokens.column_offset"), text("tokens.column_text")]
            rows = [_difference_row(tour.texts[number], one) for one in found[:_N_ROWS]]
            lines.append(_table([*columns, *(model.name for model in tour.models)], rows))
            lines.append(_more("tokens.more_differences", len(found) - _N_ROWS))
    return "\n".join(lines)


def _difference_row(found: str, one: Difference) -> list[str]:
    return [
        f"<td class=num>{one.start}–{one.end}</td>",
        f"<td>{_isolated(found[one.start : one.end][:_N_CHARACTERS])}</td>",
        *(
            "<td>" + " | ".join(_isolated(name, alone=True) for name in names[:_N_CHARACTERS]) + "</td>"
            for names in (one.left, one.right)
        ),
    ]


def _batch(tour: TokenTour, model: ModelTour) -> str:
    rows = []
    shown = min(model.batch_length, _N_BATCH_COLUMNS)
    for number in range(min(len(tour.texts), _N_BATCH_ROWS)):
        ids = model.texts[number].kept_ids(_N_BATCH_COLUMNS)
        padding = [model.pad_id] * (shown - len(ids))
        cells = [f"<td class=num>{one}</td>" for one in ids]
        cells += [f'<td class="num pad">{"–" if one is None else one}</td>' for one in padding]
        mask = [f"<td class=num>{one}</td>" for one in [1] * len(ids)]
        mask += ['<td class="num pad">0</td>'] * len(padding)
        rows.append([_number(number + 1), f"<td class=key>{escape(text('tokens.ids'))}</td>", *cells])
        rows.append([_number(number + 1), f"<td class=key>{escape(text('tokens.mask'))}</td>", *mask])
    columns = [text("tokens.column_text"), "", *map(str, range(shown))]
    said = text("tokens.batch", texts=len(tour.texts), length=model.batch_length)
    name = f"<strong>{_isolated(model.name)}</strong>: " if len(tour.models) > 1 else ""
    return (
        f"<p>{name}{escape(said)}</p>{_table(columns, rows)}"
        + _more("tokens.more_pieces", model.batch_length - shown)
        + _more("tokens.more_texts", len(tour.texts) - _N_BATCH_ROWS)
    )


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """:param rows: cells that are HTML already"""
    head = "".join(f'<th scope="col">{_isolated(name)}</th>' for name in columns)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _number(value: object) -> str:
    return f"<td class=num>{value}</td>"


def _flow(cards: Sequence[str]) -> str:
    return f'<div class="flow">{"".join(cards)}</div>' if cards else f"<p>{escape(text('words.none'))}</p>"


def _card(under: str, over: str, *, classes: str = "") -> str:
    """:param under, over: HTML already"""
    return f'<span class="card {classes}"><span class="over">{over}</span><span class="under">{under}</span></span>'


def _more(key: str, n: int) -> str:
    return _soft(key, n=n) if n > 0 else ""


def _soft(key: str, **fields: object) -> str:
    return f'<p class="soft">{escape(text(key, **fields))}</p>'


def _isolated(found: str, *, alone: bool = False) -> str:
    """A piece of foreign text: escaped, isolated, in its own language where its script tells.

    It is cut where it is long: a whole text may be one word.
    """
    if len(found) > _N_CHARACTERS:
        found = found[:_N_CHARACTERS] + "…"
    shown = "".join(
        f'<span class="cp">{escape(run)}</span>' if named else escape(run)
        for run, named in parts(found, alone=alone)
    )
    return f'<bdi lang="ja">{shown}</bdi>' if _JAPANESE.search(found) else f"<bdi>{shown}</bdi>"
