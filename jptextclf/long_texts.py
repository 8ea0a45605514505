"""Texts as the encoder sees them. It does not know what is computed from them."""
from dataclasses import dataclass
import numpy as np
from jptextclf.encodings import Encodings
@dataclass(frozen=True)
class EncodedTexts:
    rows: Encodings
    text_splits: np.ndarray
    truncated: np.ndarray
    unknown: np.ndarray
    @property
    def lengths(self): return self.rows.lengths
    def __len__(self): return len(self.rows)
    @property
    def has_windows(self): return False
    def select(self, texts):
        r=self.rows.select(texts); return EncodedTexts(r, np.arange(len(r)+1), r.truncated, r.unknown)
    @classmethod
    def concatenate(cls, parts):
        r=Encodings.concatenate([p.rows for p in parts]); return cls(r, np.arange(len(r)+1), r.truncated, r.unknown)
def encode_texts(adapter, texts, *, max_length, long_texts="truncate", window_overlap=32, offsets=False):
    r=adapter.encode(texts, max_length=max_length); return EncodedTexts(r, np.arange(len(r)+1), r.truncated, r.unknown)
