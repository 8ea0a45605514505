"""File names: which files of a repository say under which terms it may be used, in any case and in Japanese.

It goes by names alone and opens nothing.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

_TERMS = re.compile(
    r"licen[cs]e|(?<![a-z])copying|(?<![a-z])eula(?![a-z])|\Aterms|terms[-_ ]?(?:of|and|&)"
    r"|(?:use|usage|service|model)[-_ ]?(?:terms|policy)"
    r"|ライセンス|利用規約|利用条件|利用許諾|使用許諾|使用条件|使用規約|許諾条件"
)
_NOTICE = re.compile(r"\Anotice")
_OF_OTHERS = re.compile(r"(?:third|3rd)[-_ ]?part(?:y|ies)")
"""Licences of libraries and the like; they are not the terms of the thing itself."""
_NO_TEXT = {
    ".bin", ".ckpt", ".cfg", ".css", ".csv", ".gguf", ".gif", ".gz", ".h5", ".ipynb", ".jpeg", ".jpg", ".js", ".json",
    ".jsonl", ".lock", ".model", ".msgpack", ".npy", ".npz", ".onnx", ".parquet", ".pickle", ".pkl", ".png", ".pt",
    ".pth", ".py", ".pyc", ".safetensors", ".sh", ".svg", ".tar", ".toml", ".ts", ".tsv", ".yaml", ".yml", ".zip",
}  # fmt: skip
"""Suffixes of code, data and pictures, which may be about licences but state none."""


def is_license_file(name: str) -> bool:
    """Whether a file of this name states terms: ``LICENSE``, ``License.txt``, ``MODEL_LICENSE``, ``利用規約.md``."""
    plain = unicodedata.normalize("NFKC", name).lower()
    if plain.startswith(".") or PurePath(plain).suffix in _NO_TEXT or _OF_OTHERS.search(plain):
        return False
    return bool(_TERMS.search(plain))


def is_notice_file(name: str) -> bool:
    """Whether a file of this name holds notices that have to be passed on: ``NOTICE``, ``notice.txt``."""
    plain = unicodedata.normalize("NFKC", name).lower()
    return bool(_NOTICE.match(plain)) and PurePath(plain).suffix not in _NO_TEXT


def _any_case(pattern: str) -> str:
    """``"eula*" -> "[eE][uU][lL][aA]*"``, since a hub's patterns tell cases apart."""
    return "".join(f"[{one}{one.upper()}]" if one.islower() and one.isascii() else one for one in pattern)


PATTERNS = (
    *map(_any_case, ("*license*", "*licence*", "*copying*", "*eula*", "terms*", "*terms*of*", "*terms*and*",
                     "*use*policy*", "*use*terms*", "*usage*terms*", "*usage*policy*", "*service*terms*", "*service*policy*",
                     "*model*terms*", "*model*policy*", "notice*")),
    "*ライセンス*", "*利用規約*", "*利用条件*", "*利用許諾*", "*使用許諾*", "*使用条件*", "*使用規約*", "*許諾条件*",
)  # fmt: skip
"""Patterns of a download that match every such file, and some others."""
