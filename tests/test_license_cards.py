"""Cards: what they declare and state, on small cards for every rule, hostile ones, and 299 real ones."""

import hashlib
import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.licensing.reading import dataset_tags, find_restrictions, read_card

NONE = "NOASSERTION"


def card(body="", license_line="license: apache-2.0"):
    return f"---\nlanguage: ja\n{license_line}\n---\n\n# 評判モデル\n\n{body}\n"


def stated(body):
    return read_card(card(body)).stated


# Front matter


@pytest.mark.parametrize(
    ("text", "declared", "status"),
    [
        ("---\nlicense: mit\n---\n", "MIT", "declared"),
        ("---\r\nlicense: cc-by-sa-4.0\r\n---\r\n本文", "CC-BY-SA-4.0", "declared"),
        ("---\rlicense: mit\r---\r本文", "MIT", "declared"),
        ("\ufeff---\nlicense: mit\n---\n", "MIT", "declared"),
        ("\n\n---\nlicense: mit\n---", "MIT", "declared"),
        (" \n  ---\nlicense: mit\n---\n", "MIT", "declared"),
        ("---\nlicense: ' MIT '  # ours\n---\n", "MIT", "declared"),
        ("---\ntags:\n- license: mit\nlicense: gpl-3.0\n---\n", "GPL-3.0-only", "declared"),
        ("---\nlicense: Apache-2.0 OR CC-BY-SA-4.0\n---\n", "Apache-2.0 OR CC-BY-SA-4.0", "declared"),
        ("---\nlicense: creativeml-openrail-m\n---\n", "LicenseRef-CreativeML-OpenRAIL-M", "declared"),
        ("---\nlicense:\n- mit\n---\n", "MIT", "list-one"),
        ("---\nlicense: [apache-2.0, bsd-3-clause]\n---\n", "Apache-2.0 AND BSD-3-Clause", "list-many"),
        ("---\nlicense: [mit, other]\n---\n", NONE, "list-many"),
        ("---\nlicense: mit\nlicense: mit\n---\n", "MIT", "declared"),
        ("---\nlicense: mit\nlicense: gpl-3.0\n---\n", NONE, "key-twice"),
        ("---\nlicense: &a mit\nx: *a\n---\n", "MIT", "declared"),
        ("---\nlicense: !!str mit\n---\n", "MIT", "declared"),
        ("---\nlicense: other\n---\n", NONE, "other"),
        ("---\nlicense: other\nlicense_name: my-licence\n---\n", "LicenseRef-my-licence", "other"),
        ("---\nlicense: other\nlicense_name: 独自\n---\n", NONE, "other"),
        ("---\nlicense: other\nlicense_name: mit\n---\n", NONE, "other"),
        ("---\nlicense: other\nlicense_name: llama3\n---\n", "LicenseRef-Llama-3-Community", "other"),
        ("---\nlicense: other\nlicense_name: other\n---\n", NONE, "other"),
        ("---\nlicense: unknown\n---\n", NONE, "unknown"),
        ("---\nlicense: openrail\n---\n", NONE, "family-id"),
        ("---\nlicense: cc\n---\n", NONE, "family-id"),
        ("---\nlicense: no\n---\n", NONE, "unrecognised-id"),
        ("---\nlicense: 4.0\n---\n", NONE, "unrecognised-id"),
        ("---\nlicense: ｃｃ－ｂｙ－４．０\n---\n", NONE, "unrecognised-id"),
        ("---\nlicense:\n  name: mit\n---\n", NONE, "unrecognised-id"),
        ("---\nlicense: any valid license identifier\n---\n", NONE, "unrecognised-id"),
        ("---\nlicense:\n---\n", NONE, "null"),
        ("---\nlicense: []\n---\n", NONE, "null"),
        ("---\nlanguage: ja\n---\n", NONE, "missing"),
        ("---\n---\n", NONE, "missing"),
        ("---\n# only a comment\n---\n", NONE, "missing"),
        ("---\nlicence: mit\n---\n", NONE, "misspelt-key"),
        ("---\nLicense: mit\n---\n", NONE, "misspelt-key"),
        ("---\nlicenses:\n- mit\n---\n", NONE, "misspelt-key"),
        ("---\n--license: mit\n---\n", NONE, "misspelt-key"),
        ("---\nlicense: mit\n", NONE, "front-matter-malformed"),
        ("# 題\n---\nlicense: mit\n---\n", NONE, "front-matter-malformed"),
        ("----\nlicense: mit\n----\n", NONE, "front-matter-malformed"),
        ("--- \nlicense: mit\n---\n", NONE, "front-matter-malformed"),
        ("license: mit\n", NONE, "front-matter-malformed"),
        ("---\nlicense：mit\ntags: [a]\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\n bad: [\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\n\ttags: a\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\ndate: 2024-99-99\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\nx: *nowhere\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\nx: !!python/object/apply:os.system [id]\n---\n", NONE, "yaml-error"),
        ("---\n- license: mit\n---\n", NONE, "yaml-error"),
        ("---\nmit\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\nx: \ud800\n---\n", NONE, "yaml-error"),
        ("---\nlicense: mit\nx: " + "[" * 100_000 + "\n---\n", NONE, "yaml-error"),
        ("# 評判モデル\n本文だけ", NONE, "no-front-matter"),
        ("", NONE, "no-front-matter"),
    ],
)
def test_the_license_key_is_read_as_the_hub_reads_it(text, declared, status):
    found = read_card(text)
    assert (found.declared, found.metadata_status) == (declared, status)
    assert (found.declared == NONE) or found.declared_evidence.statement.startswith("license: ")


@pytest.mark.parametrize(
    ("text", "metadata"),
    [
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense: other\nlicense_name: my-licence\n---\n", "other"),
        ("---\nlicense: openrail\n---\n", "openrail"),
        ("---\nlicense: [mit, other]\n---\n", "mit, other"),
        ("---\nlicense: unknown\n---\n", "unknown"),
        ("---\nlicense: ｍｉｔ\n---\n", "ｍｉｔ"),
        ("---\nlicense: mit\nlicense: gpl-3.0\n---\n", "key-twice"),
        ("---\nlicence: mit\n---\n", "misspelt-key"),
        ("---\nlicense: mit\n", "front-matter-malformed"),
        ("---\nlicense: mit\n bad: [\n---\n", "yaml-error"),
        ("---\nlicense: mit\n---\n", ""),
        ("---\nlicense: [mit, isc]\n---\n", ""),
        ("---\nlicense:\n---\n", ""),
        ("---\nlanguage: ja\n---\n", ""),
        ("", ""),
    ],
)
def test_an_unclear_declaration_is_told_apart_from_none(text, metadata):
    assert read_card(text).metadata == metadata


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_evidence_can_be_checked(newline, start):
    text = start + card("## ライセンス\nMITライセンス", "license: mit").replace("\n", newline)
    data = text.encode()
    found = read_card(data, source="https://example.org/m/README.md")
    assert found == read_card(text, source="https://example.org/m/README.md")
    lines = re.split(r"\r\n|\n|\r", text)
    assert found.sha256 == found.declared_evidence.sha256 == hashlib.sha256(data).hexdigest()
    assert found.declared_evidence.url == found.source == "https://example.org/m/README.md"
    assert lines[found.declared_evidence.line - 1] == "license: mit"
    (mention,) = found.mentions
    assert text[slice(*mention.span)] == "MITライセンス"
    assert lines[mention.line - 1] == mention.statement == "MITライセンス"


def test_the_other_keys_of_a_card():
    found = read_card(
        "---\nlicense: other\nlicense_name: my-licence\nlicense_link: LICENSE\nbase_model: [org/a, org/b]\n"
        "datasets:\n- org/data\n- null\nlanguage: ja\nextra_gated_prompt: 商用利用は禁止です。\n"
        "extra_gated_fields:\n  氏名: text\n---\n",
        source="README.md",
    )
    assert (found.license_name, found.license_link) == ("my-licence", "LICENSE")
    assert found.base_models == ("org/a", "org/b")
    assert (found.datasets, found.languages) == (("org/data",), ("ja",))
    assert found.extra_gated_prompt == "商用利用は禁止です。"
    assert found.gated == (("extra_gated_fields", "氏名: text"),)
    assert [(one.kind, one.about, one.line) for one in found.restrictions] == [
        ("non-commercial", "model", 10)
    ]
    assert found.declared_evidence.file == "README.md"


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("licence: mit", "MIT"),
        ("license: ｍｉｔ", "MIT"),
        ("license：mit\nx: [", "MIT"),
        ("license: other", ""),
    ],
)
def test_what_cannot_be_trusted_is_only_suggested(line, suggestion):
    found = read_card(card("", line))
    assert (found.declared, found.suggestion) == (NONE, suggestion)


# Licences in the body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("## License\nMIT", "MIT"),
        ("## Licenese\n[The MIT license](https://opensource.org/licenses/MIT)", "MIT"),
        ("## License: MIT", "MIT"),
        ("**License:** Apache 2.0", "Apache-2.0"),
        ("- **License:** [Apache License, Version 2.0](https://www.apache.org/licenses/LICENSE-2.0)", "Apache-2.0"),
        ("| | |\n|---|---|\n| **License** | `CC BY-SA 4.0` |", "CC-BY-SA-4.0"),
        ("License\n-------\nCC0", "CC0-1.0"),
        ("<h2>License</h2>\n\nBSD 3-Clause", "BSD-3-Clause"),
        ("This model is licensed under the GNU General Public License v3.0.", "GPL-3.0-only"),
        ("This model is licensed under GPL version 2 or later.", "GPL-2.0-or-later"),
        ("The models are released under the LGPLv3.", "LGPL-3.0-only"),
        ("The model is distributed under the terms of the AGPL.", "LicenseRef-AGPL-family"),
        ("The weights are licensed under CC BY-NC-SA 4.0.", "CC-BY-NC-SA-4.0"),
        ("This work is licensed under a [Creative Commons Attribution-ShareAlike 3.0 Unported License][l].", "CC-BY-SA-3.0"),
        ('"評判モデル" is a model licensed under Attribution-ShareAlike 3.0 Unported by us.', "CC-BY-SA-3.0"),
        ("The model is released under the [licence](https://creativecommons.org/licenses/by-nc/4.0/deed.ja).", "CC-BY-NC-4.0"),
        ("The model is under CC BY-SA 2.1 JP.", "CC-BY-SA-2.1-JP"),
        ("The model is under CC BY-ND 2.1 JP.", "LicenseRef-CC-BY-ND-2.1-JP"),
        ("The model is available under a CreativeML OpenRAIL-M license.", "LicenseRef-CreativeML-OpenRAIL-M"),
        ("The model is available under the CreativeML Open RAIL++-M License.", "LicenseRef-CreativeML-OpenRAIL-PlusPlus-M"),
        ("**License**: RAIL License v1.0", "LicenseRef-BigScience-RAIL-family"),
        ("The model is licensed under the Llama 2 Community License.", "LicenseRef-Llama-2-Community"),
        ("We release the code and the pre-trained models under the MIT licence.", "MIT"),
        ("MIT licence for the model.", "MIT"),
        ("The model trained on this dataset is licensed under MIT.", "MIT"),
        ("We changed the licence of this model from MIT to Apache 2.0.", "Apache-2.0"),
        ("Lizenz: MIT", "MIT"),
        ("## ライセンス\nApache License, Version 2.0にて配布しています。", "Apache-2.0"),
        ("ライセンス：MIT", "MIT"),
        ("本モデルはMITライセンスのもとで公開しています。", "MIT"),
        ("本モデルのライセンスは CC BY-SA 4.0 です。", "CC-BY-SA-4.0"),
        ("このモデルはクリエイティブ・コモンズ 表示-継承 4.0 国際ライセンスで提供します。", "CC-BY-SA-4.0"),
        ("モデルはクリエイティブ・コモンズ 表示 - 非営利 - 改変禁止 2.1 日本 ライセンスで公開しています。", "LicenseRef-CC-BY-NC-ND-2.1-JP"),
        ("コードとモデルはMITライセンスです。", "MIT"),
        ("データで学習した本モデルは CC BY 4.0 で公開します。", "CC-BY-4.0"),
        ("モデルはCC BY-SA 4です。", "CC-BY-SA-4.0"),
        ("本モデルは、WikipediaのライセンスであるCC BY-SA 3.0に従い、CC BY-SA 4.0で公開します。", "CC-BY-SA-4.0"),
        ("本モデルのライセンスは元のモデルと同じ CC BY-SA 4.0 とします。", "CC-BY-SA-4.0"),
        ("Ce modèle est sous licence CC BY-SA 3.0 de l'université.", "CC-BY-SA-3.0"),
        ("Code: MIT, Model: CC BY-NC 4.0", "CC-BY-NC-4.0"),
        ("## License and citation\nMIT", "MIT"),
        ('## License\nSee <a href="https://creativecommons.org/licenses/by-nc/4.0/">here</a>.', "CC-BY-NC-4.0"),
        ("The model is under the **Apache License**,\n    Version 2.0.", "Apache-2.0"),
        ("本モデルは[CC-BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/deed.ja)の元配布します。", "CC-BY-NC-SA-4.0"),
        ("## License\nThis repository is released under the MIT license.", "MIT"),
    ],
)  # fmt: skip
def test_a_licence_of_the_model_is_found(body, expected):
    assert stated(body) == (expected,)


@pytest.mark.parametrize(
    "body",
    [
        "The code is licensed under MIT.",
        "## License\nThe training data is CC BY 4.0.",
        "## License\n- Code: MIT",
        "## Dataset\n### License\nCC BY 4.0",
        "## Training data\nLicense: CC BY-SA 3.0",
        "MIT licence for the code.",
        "The dataset used to train this model is licensed under CC BY 4.0.",
        "The code for this model is released under the MIT License.",
        "The model was trained on CC BY 4.0 images.",
        "The model was trained on JaData, which is licensed under CC BY 4.0.",
        "This model is based on XLM, which is licensed under Apache 2.0.",
        "The base model is licensed under MIT.",
        "This model uses an MIT-licensed library.",
        "It is a derivative of X, used under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); of Y.",
        "## License\nIt was previously licensed under MIT.",
        "## License\nThis is not licensed under the MIT license.",
        "## License\nThe terms are adapted from the Open RAIL M licence.",
        "| Data | License |\n|---|---|\n| JaData | CC BY 4.0 |",
        "[![License: MIT](https://img.shields.io/badge/License-MIT-yellow.svg)](https://opensource.org/licenses/MIT)",
        "## License\n```\nLicense: MIT\n```",
        "## License\n~~~text\nMIT License\n~~~",
        "## License\n<!-- MIT License -->",
        "@article{x,\n  title = {This model is licensed under the MIT License},\n  copyright = {CC BY 4.0}\n}",
        "Trained at MIT. The MIT press wrote about this model.",
        "See the license of bigscience-bloom-rail-1.0 for other notes.",
        "ソースコードはMITライセンスです。",
        "## ライセンス\n学習データは CC BY-SA 4.0 です。",
        "本モデルの学習に用いたコーパスは CC BY-SA 4.0 で公開されています。",
        "このモデルは、CC BY-SA 4.0で公開されているコーパスで学習しました。",
        "本モデルの辞書はBSDライセンスです。",
        "Wikipediaは CC BY-SA 4.0 です。",
        "We cc by mail.",
        "**License:** 本モデルは、CC-BY-NC-SAライセンス下で利用可能なデータセットで学習しました。",
        "ベースモデルはApache License 2.0です。",
        "## ライセンス\n以前はMITライセンスでした。",
        "## 引用\nCC BY 4.0",
        "言語モデルの話。ライセンスの話はしない。",
    ],
)
def test_a_licence_of_something_else_is_not_the_models(body):
    assert stated(body) == ()


def test_a_change_of_licence_in_japanese_counts_the_new_one():
    assert stated("本モデルのライセンスをMITライセンスからApache License 2.0に変更しました。") == (
        "Apache-2.0",
    )


def test_every_mention_is_kept_with_its_place():
    text = card("## License\nThe model is MIT licensed.\nThe code is Apache-2.0 licensed.")
    found = read_card(text)
    assert [(one.license, one.about) for one in found.mentions] == [
        ("MIT", "model"), ("Apache-2.0", "other-or-unclear")
    ]  # fmt: skip
    for one in found.mentions:
        assert one.statement in text.split("\n")[one.line - 1]


def test_a_name_without_a_version_yields_to_one_with_it():
    found = read_card(
        card("## License\nCC BY-SA. See [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/).")
    )
    assert found.stated == ("CC-BY-SA-4.0",)
    assert stated("## License\nCC BY-SA") == ("LicenseRef-CC-BY-SA-unversioned",)


# Limits on use


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("営利目的利用は固く禁じます", "non-commercial"),
        ("商用利用禁止", "non-commercial"),
        ("商用利用は、禁止されています。", "non-commercial"),
        ("商用利用不可", "non-commercial"),
        ("商用目的での利用はできません。", "non-commercial"),
        ("商用利用は認めておりません。", "non-commercial"),
        ("商用利用を許可していません。", "non-commercial"),
        ("非商用利用に限ります。", "non-commercial"),
        ("非営利目的でのみ使用できます。", "non-commercial"),
        ("研究目的での利用に限ります。", "research-only"),
        ("研究用途に限る", "research-only"),
        ("研究目的以外の利用を禁じます。", "research-only"),
        ("研究利用のみ可能です。", "research-only"),
        ("教育目的に限定します。", "educational-only"),
        ("個人利用に限る。", "personal-only"),
        ("再配布は禁止です。", "no-redistribution"),
        ("再配布しないでください。", "no-redistribution"),
        ("改変禁止", "no-derivatives"),
        ("商用利用は要相談", "commercial-by-permission"),
        ("商用利用の場合はお問い合わせください。", "commercial-by-permission"),
        ("商用利用には許諾が必要です。", "commercial-by-permission"),
        ("自由に使えますが、商用利用はご遠慮ください。", "non-commercial"),
        ("It is <b>NOT</b> available for commercial use.", "non-commercial"),
        ("It may **not** be used\n   for commercial purposes.", "non-commercial"),
        ("If you want to use it for commercial products, please contact us.", "commercial-by-permission"),
        ("This data can only be used for research purposes.", "research-only"),
        ("研究目的で公開しています。", "intended-for-research"),
        ("educational and research purposes only", "research-only"),
        ("non-commercial research only", "non-commercial"),
        ("For non-commercial use only.", "non-commercial"),
        ("Commercial use is strictly prohibited.", "non-commercial"),
        ("You may not use this model for commercial purposes.", "non-commercial"),
        ("No commercial use.", "non-commercial"),
        ("The model cannot be used commercially.", "non-commercial"),
        ("Available only for academic research.", "research-only"),
        ("Use is restricted to research.", "research-only"),
        ("(Research only)", "research-only"),
        ("For educational purposes only.", "educational-only"),
        ("For evaluation purposes only.", "evaluation-only"),
        ("For personal use only.", "personal-only"),
        ("Do not redistribute the weights.", "no-redistribution"),
        ("Redistribution of the model is not permitted.", "no-redistribution"),
        ("The model is intended for research purposes only.", "intended-for-research"),
    ],
)
def test_a_limit_on_use_is_found(text, kind):
    found = find_restrictions(text)
    assert kind in {one.kind for one in found}
    for one in found:
        assert one.is_term == (kind != "intended-for-research")
        assert one.line == 1
        assert text[slice(*one.span)]


@pytest.mark.parametrize(
    "text",
    [
        "", "商用利用可", "商用利用可能です。", "商用利用も可能ですが、出典を書いてください。", "商用・非商用を問わず利用できます。",
        "商用利用は禁止されていません。", "商用利用を許可します。", "研究目的に限らず利用できます。", "研究目的だけでなく商用でも使えます。",
        "商用利用可、再配布も可能。", "営利・非営利を問いません。", "再配布は自由です。",
        "Although commercial use is permitted, we kindly request that you contact us.", "商用利用の可否は規約を見てください。",
        "営利目的ではなく趣味です。", "商用利用できるライセンスの音声です。",
        "Commercial use is allowed.", "You may use the model commercially.", "For commercial and non-commercial use.",
        "Non-commercial or commercial use is fine.", "It is not limited to research.", "Commercial use is not prohibited.",
        "Use is not restricted to non-commercial purposes.", "You may redistribute the weights.",
        "商用利用を禁止するものではありません", "商用利用を禁じるものではありません。", "商用利用を禁止する趣旨ではございません。",
        "企業での利用も可能です。", "企業ロゴの使用は禁止です。", "企業向けのサポートは有償です。", "商用利用は有償・無償を問わず可能です。",
        "商用利用にライセンス料は不要です。", "学生だけでなく企業でも使えます。", "研究者のみなさまへ", "ビジネス用語の分類はできません。",
        "商用利用可\n改変禁止ではありません", "Commercial use: no restrictions", "| Commercial use | ✅ |", "Companies may use it freely.",
        "We do not prohibit commercial use.", "✅ Commercial use ❌ Liability", "Companies should contact support for questions.",
        "Use by companies is not prohibited.", "学生のみを対象としたアンケートです。", "企業での利用事例はご連絡ください。",
        "Companies are not required to buy a licence.", "Our company can not guarantee the accuracy.",
        "Our research group works on commercial search engines.", "研究室で作りました。", "商業施設の口コミです。",
    ],
)  # fmt: skip
def test_what_allows_or_says_nothing_is_no_limit(text):
    assert [one for one in find_restrictions(text) if one.is_term] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("企業による利用は禁止", "non-commercial"),
        ("商業利用を禁ず", "non-commercial"),
        ("有料サービスでの利用は禁止", "non-commercial"),
        ("商用×", "non-commercial"),
        ("企業が利用する場合は、事前にご連絡ください。", "commercial-by-permission"),
        ("企業でのご利用には契約が必要です。", "commercial-by-permission"),
        ("アカデミック用途のみ", "research-only"),
        ("Not for commercial or military use.", "non-commercial"),
        ("Use by commercial entities is not permitted.", "non-commercial"),
        ("It may not be used in products.", "non-commercial"),
        ("You must obtain a licence for commercial use.", "commercial-by-permission"),
        ("Business use requires a contract with us.", "commercial-by-permission"),
        ("Free for academic use; contact us for commercial use.", "commercial-by-permission"),
        ("Only individuals may use it.", "personal-only"),
        ("For scientific purposes only.", "research-only"),
        ("法人利用不可", "non-commercial"),
        ("業務での使用はできません。", "non-commercial"),
        ("ビジネスでの利用は禁止", "non-commercial"),
        ("企業の方は利用できません", "non-commercial"),
        ("企業様のご利用は固くお断りします。", "non-commercial"),
        ("| 商用利用 | × |", "non-commercial"),
        ("商用利用：❌", "non-commercial"),
        ("本モデルは研究および教育を目的として公開しており、商用での利用を\n禁止します。", "non-commercial"),
        ("商用利用は有償です", "commercial-by-permission"),
        ("企業での利用は有償", "commercial-by-permission"),
        ("商用利用可。ただし年商1億円以上の企業は要ライセンス契約", "commercial-by-permission"),
        ("商用利用する場合は別途ライセンス契約が必要です。", "commercial-by-permission"),
        ("大学等の研究者に限り利用できます", "research-only"),
        ("学生のみ利用可能です。", "research-only"),
        ("個人の方のみ利用できます。", "personal-only"),
        ("For-profit use is prohibited.", "non-commercial"),
        ("May not be used by companies.", "non-commercial"),
        ("Companies are not allowed to use this model.", "non-commercial"),
        ("For non-profit organizations only.", "non-commercial"),
        ("|Commercial use|❌|", "non-commercial"),
        ("| Commercial use | ❌ not allowed |", "non-commercial"),
        ("❌ Commercial use", "non-commercial"),
        ("Commercial use: no", "non-commercial"),
        ("Companies must buy a licence", "commercial-by-permission"),
        ("Please cite our paper. Companies must buy a licence.", "commercial-by-permission"),
        ("Commercial use requires a paid license.", "commercial-by-permission"),
        ("Academic users only", "research-only"),
        ("Only for academic users.", "research-only"),
    ],
)
def test_a_limit_on_who_may_use_it_is_found(text, kind):
    (found,) = (one for one in read_card(card(text, "license: mit")).restrictions if one.is_term)
    assert (found.kind, found.about) == (kind, "model")
    assert kind in {one.kind for one in find_restrictions(text)}


@pytest.mark.parametrize(
    "words",
    [
        "non\u2011commercial", "non\u2013commercial", "non\u200b-commercial", "non\u00ad-com\u00admercial",
        "ｎｏｎ－ｃｏｍｍｅｒｃｉａｌ", "\U0001d427\U0001d428\U0001d427-commercial", "\u2fae商\u2f64", "非\u200d商用",
        "営利目的の使用は禁し\u3099る", "ﾋﾞｼﾞﾈｽでの利用は禁止", "企業での利用は不\ufe00可",
    ],
)  # fmt: skip
def test_letters_that_look_alike_hide_no_limit(words):
    text = card(f"## 注意\n本モデルは {words}。", "license: mit")
    found = read_card(text)
    (limit,) = (one for one in found.restrictions if one.is_term)
    assert (limit.kind, limit.about, found.conflict_kind) == (
        "non-commercial",
        "model",
        "body-adds-restriction",
    )
    assert words.startswith(text[slice(*limit.span)]) or text[slice(*limit.span)] in words
    assert len(text[slice(*limit.span)]) >= len(words) - 2
    assert words in limit.statement


def test_full_width_letters_name_a_licence():
    text = card("## ライセンス\nＣＣ\u3000ＢＹ－ＮＣ\u3000４．０", "license: mit")
    found = read_card(text)
    (mention,) = found.mentions
    assert (mention.license, found.conflict_kind) == ("CC-BY-NC-4.0", "license-id-disagrees")
    assert text[slice(*mention.span)] == "ＣＣ\u3000ＢＹ－ＮＣ\u3000４．０"
    # What is no Markdown does not become it.
    assert read_card(card("｀｀｀\nThe model is MIT licensed.\n｀｀｀")).stated == ("MIT",)


def test_a_limit_is_of_the_model_or_of_something_else():
    def about(body):
        return [one.about for one in read_card(card(body)).restrictions]

    assert about("本モデルの商用利用を禁じます。") == ["model"]
    assert about("## ライセンス\n商用利用禁止") == ["model"]
    assert about("The dataset may not be used for commercial purposes.") == ["other-or-unclear"]
    assert about("学習データの商用利用は禁止されています。") == ["other-or-unclear"]


# Contradictions


@pytest.mark.parametrize(
    ("line", "body", "kind"),
    [
        (
            "license: cc-by-sa-4.0",
            "## Licenses\nCreative Commons Attribution-ShareAlike 3.0",
            "license-id-disagrees",
        ),
        ("license: cc-by-sa-4.0", "## ライセンス\nCC BY-SA 4.0", None),
        ("license: mit", "The model is MIT licensed. The code is Apache-2.0 licensed.", None),
        ("license: mit", "## License\nMIT or Apache-2.0", None),
        ("license: mit or apache-2.0", "## License\nMIT", None),
        ("license: gpl-3.0", "## License\nGPL version 3 or later", None),
        ("license: gpl-3.0", "## License\nGPL", None),
        ("license: gpl-3.0", "## License\nApache License", "license-id-disagrees"),
        ("license: cc-by-sa-4.0", "## License\nCC BY-SA", None),
        ("license: cc-by-sa-4.0", "## License\nCC BY", "license-id-disagrees"),
        ("license: bigscience-bloom-rail-1.0", "**License**: RAIL License v1.0", None),
        ("license: bigscience-bloom-rail-1.0", "**License**: CreativeML OpenRAIL-M", "license-id-disagrees"),
        ("license: other", "## License\nMIT", None),
        ("license: unknown", "## License\nMIT", None),
        ("tags: [a]", "## License\nMIT", None),
        ("license: mit", "", None),
        ("license: mit", "本モデルの商用利用を禁じます。", "body-adds-restriction"),
        (
            "license: apache-2.0",
            "This model may not be used for commercial purposes.",
            "body-adds-restriction",
        ),
        ("license: cc-by-nc-4.0", "This model may not be used for commercial purposes.", None),
        ("license: mit", "Non-commercial use only.", "body-adds-restriction"),
        ("license: mit", "商用利用はご遠慮ください。", "body-adds-restriction"),
        ("license: mit", "The data may not be used for commercial purposes.", None),
        ("license: mit", "## Dataset\nFor research purposes only.", None),
        ("license: mit", "商用利用可能です。", None),
        ("license: mit", "商用利用の際はご連絡ください。", None),
        ("license: mit", "The model is intended for research purposes only.", None),
        ("license: mit\nextra_gated_prompt: non-commercial research only", "", "body-adds-restriction"),
        ("license: mit\nlicense: gpl-3.0", "", "license-key-twice"),
        ("licences: cc-by-nc-4.0", "", "metadata-key-ignored"),
        ("license: mit\nlicences: cc-by-nc-4.0", "", "metadata-key-ignored"),
        ("license: mit\nLicense: MIT", "", None),
        ("licence: CC BY 3.0", "**License:** CC BY 3.0", None),
        ("licence:", "", None),
    ],
)
def test_a_card_against_itself(line, body, kind):
    found = read_card(card(body, line))
    assert found.conflict_kind == kind
    assert found.conflict is (kind is not None)


# Tags


def test_tags_are_statements():
    found = dataset_tags(
        ["license:cc-by-sa-4.0", "language:ja", "region:us", "task_categories:text-classification", "日本語", 3,
         "dataset:org/data", "base_model:org/base", "base_model:finetune:org/base"]
    )  # fmt: skip
    assert (found.declared, found.license_tags) == ("CC-BY-SA-4.0", ("license:cc-by-sa-4.0",))
    assert (found.languages, found.datasets, found.base_models) == (("ja",), ("org/data",), ("org/base",))
    assert not found.is_list
    several = dataset_tags(["license:mit", "license:apache-2.0"])
    assert (several.declared, several.is_list) == ("MIT AND Apache-2.0", True)
    assert dataset_tags([]).declared == dataset_tags(["license:other", "license:"]).declared == NONE


# Any bytes


pieces = st.sampled_from(
    ["---\n", "---\r\n", "\ufeff", "license", "licence", ": ", "：", "mit", "other", "[", "]", "{", "}", "- ", "\n", "\r", "\t",
     "&a ", "*a", "<<: ", "!!python/object ", "|\n", ">\n", "'", '"', "# License\n", "| License | ", "```\n", "<!--", "-->", "CC BY-SA 4.0",
     "商用利用禁止", "ライセンス", "MITライセンス", "The model is licensed under ", "data ", "2024-99-99", "\x00", "\ud800", "0x1p", "? "]
)  # fmt: skip
texts = st.lists(pieces, max_size=60).map("".join) | st.lists(pieces, max_size=60).map(
    lambda inner: "---\n" + "".join(inner) + "\n---\n" + "".join(reversed(inner))
)


def check(text):
    found = read_card(text)
    assert found.declared
    assert found == read_card(text)
    shown = text if isinstance(text, str) else text.decode("utf-8", errors="replace")
    n_lines = len(re.split(r"\r\n|\n|\r", shown))
    for one in () if shown.startswith("\ufffd\ufffd") else (*found.mentions, *found.restrictions):
        assert 0 <= one.span[0] <= one.span[1] <= len(shown)
        assert 1 <= one.line <= n_lines


@settings(max_examples=300, deadline=None)
@given(st.binary() | texts | st.text())
def test_no_card_is_refused(text):
    check(text)


@pytest.fixture(scope="module")
def cards(shared):
    with (shared / "licenses" / "cards.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_damaged_real_cards_are_read(cards):
    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def damage(data):
        text = data.draw(st.sampled_from(cards))["card_text"][:3000]
        for _ in range(data.draw(st.integers(1, 4))):
            left = data.draw(st.integers(0, len(text)))
            right = data.draw(st.integers(left, min(len(text), left + 50)))
            text = text[:left] + data.draw(pieces | st.text(max_size=5)) + text[right:]
        check(text)
        check(text.encode("utf-16" if data.draw(st.booleans()) else "utf-8", errors="replace"))

    damage()


FRONT = "---\nlicense: mit\n"
HOSTILE = {
    "laughs": FRONT + "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 60)) + "---\n",
    "brackets": FRONT + "x: " + "[" * 4_000_000 + "\n---\n",
    "keys": FRONT + "".join(f"k{i}: v\n" for i in range(350_000)) + "---\n",
    "unclosed": FRONT + "a: b\n" * 800_000,
    "newlines": FRONT + "---\n" + "\n" * 4_000_000,
    "lines": FRONT + "---\n" + "a\n" * 2_000_000,
    "names": FRONT + "---\n# License\n" + "MIT License. " * 310_000,
    "one line": FRONT + "---\n" + "The model is licensed under CC BY-SA 4.0 and " * 90_000,
    "dashes": FRONT + "---\n" + "cc - - - by - - - sa " * 200_000,
    "attribution": FRONT + "---\n" + "Attribution-" * 340_000,
    "spaces": FRONT + "---\n# License\nmodel" + " " * 4_000_000 + "and data MIT license",
    "comments": FRONT + "---\n" + "<!--" * 1_000_000,
    "fences": FRONT + "---\n" + "```\n" * 1_000_000,
    "limits": FRONT + "---\n" + "commercial use not non-commercial research only " * 80_000,
    "kinshi": FRONT + "---\n" + "商用利用は研究目的" * 450_000,
    "pipes": FRONT + "---\n" + "| License | MIT " * 260_000,
    "stars": FRONT + "---\n" + "*" * 4_000_000,
    "headings": FRONT + "---\n" + "# License MIT\n" * 280_000,
    "dots": FRONT + "---\n" + ". A" * 1_300_000,
    "unseen": FRONT + "---\n" + "non\u200b" * 700_000,
    "kana": FRONT + "---\n" + "企業ﾋﾞｼﾞﾈｽでのでのでの利用" * 250_000,
    "companies": FRONT + "---\n" + "companies commercial use business users " * 90_000,
    "wrapped": FRONT + "---\n" + ("商用利用は企業の方の利用と同じく大学等の研究者、\n" * 160_000),
    "links": FRONT + "---\n" + "](" * 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_card_costs_little(name):
    before = time.process_time()
    found = read_card(HOSTILE[name])
    assert time.process_time() - before < 2
    assert found.declared in ("MIT", NONE)


def test_what_is_too_long_to_read_counts_as_a_conflict():
    found = read_card(FRONT + "---\n" + "あ" * 1_500_000 + "\n商用利用禁止")
    assert (found.is_complete, found.conflict_kind) == (False, "not-read-in-full")
    assert [one.kind for one in find_restrictions("あ" * 250_000)] == ["not-read-in-full"]
    assert find_restrictions("商用利用禁止。" * 1000)[-1].kind == "not-read-in-full"


# 299 real cards


def bare(license_id):
    return re.sub(r"[^a-z0-9]", "", license_id.lower())


def test_real_cards_are_read_as_labelled(cards):
    before = time.process_time()
    readings = [(row, read_card(row["card_text"])) for row in cards]
    assert time.process_time() - before < 5
    graded = [(row, found) for row, found in readings if "expected_spdx" not in row["ungraded"]]
    right = sum(bare(found.declared) in map(bare, row["acceptable_spdx"]) for row, found in graded)
    assert right >= 0.99 * len(graded)

    conflicts = [(row["expected_conflict"], found.conflict) for row, found in readings if "expected_conflict" not in row["ungraded"]]  # fmt: skip
    assert conflicts.count((True, False)) <= 1
    assert conflicts.count((False, True)) <= 1
    assert f1(readings) >= 0.93


def f1(readings):
    """Of the sets of licences that the bodies state for the models, all cards together."""
    both = wrong = 0
    for row, found in readings:
        if "expected_body_mentions" in row["ungraded"]:
            continue
        expected = {bare(one["license"]) for one in row["expected_body_mentions"] if one["about"] == "model"}
        got = set(map(bare, found.stated))
        both += len(expected & got)
        wrong += len(expected ^ got)
    return 2 * both / (2 * both + wrong)


@pytest.mark.parametrize(
    ("sentence", "license_id"),
    [
        ("This model is licensed under the Apache License 2.0.", "Apache-2.0"),
        ("This model is licensed under the Apache License, Version 2.0.", "Apache-2.0"),
        ("This model is licensed under Apache 2.0.", "Apache-2.0"),
    ],
)
def test_a_version_after_the_family_counts(sentence, license_id):
    assert [one.license for one in read_card(f"# m\n\n{sentence}").mentions] == [license_id]
