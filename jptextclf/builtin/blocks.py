"""4-bit blocks -> float32, the one formula that the embedded weights need.

It does not know whose weights they are. The form is Q4_0 as llama.cpp and ggml define it: 32 neighbours along
the input axis share one scale, byte ``j`` of a block holds the level of weight ``j`` in its low four bits and
of weight ``j + 16`` in its high four bits, and level 8 is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 32
"""Weights that share a scale."""


def dequantize(nibbles: NDArray[np.uint8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """``weight = scale * (level - 8)``, exact in float32: a level has 4 bits, a scale 11.

    :param nibbles: two levels in each byte.    *Shape:* ``(rows, blocks, 16)``
    :param scales: one for each block.          *Shape:* ``(rows, blocks)``
    :returns: *Shape:* ``(rows, blocks * 32)``
    """
    rows, blocks = scales.shape
    weights = np.empty((rows, blocks, BLOCK), np.float32)
    np.bitwise_and(nibbles, 0x0F, out=weights[..., : BLOCK // 2], casting="unsafe")
    np.right_shift(nibbles, 4, out=weights[..., BLOCK // 2 :], casting="unsafe")
    weights -= 8
    weights *= scales.astype(np.float32)[..., None]
    return weights.reshape(rows, blocks * BLOCK)
