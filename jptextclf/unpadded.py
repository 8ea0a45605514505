"""Attention of texts of different length that stand one after the other on one flat sequence, without padding.

It does not know what the texts are nor which network computes them. An attention function is registered with
transformers' ``AttentionInterface``; the encoder's own modules call it with a :class:`Layout` that says where each
text begins. A text attends to its own pieces only, whatever the kernel. Without a layout the function is plain
``sdpa``, so that a network may also be called the usual, padded way.

Restarting position ids alone would not do: under ``sdpa`` BERT then lets all texts of the sequence attend to each
other, without any error.

===========  =======================================================================================================
``flash``    ``flash_attn_varlen_func`` of the package flash-attn; half precision on a GPU
``varlen``   the same kernel as PyTorch has it (``torch.nn.attention.varlen``); half precision on a GPU
``flex``     flex attention with a mask of documents; a GPU; no dropout of attention weights
``grouped``  texts of equal length through ``scaled_dot_product_attention`` together; everywhere
===========  =======================================================================================================
"""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from jptextclf.batching import length_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ATTENTION = "jptextclf_unpadded"
"""Name under which transformers finds the attention function."""
_GROUP_OVERHEAD = {"cpu": 8_000, "cuda": 300_000}
"""What one more call of the kernel costs, as ``texts x longest x longest``. On a CPU measured with 2 to 12 heads of
64: 2,000 to 24,000 take the same time, 100,000 a tenth more. On a GPU reckoned from the time of a launch."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each text lies on a flat sequence.

    :param row_splits: where each text starts, and the end, on the CPU.  *Shape:* ``(texts + 1,)``
    :param device: of the network
    :param kernel: computes the attention
    """

    row_splits: NDArray[np.int64]
    device: torch.device
    kernel: Kernel

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each text.  *Shape:* ``(texts,)``"""
        return np.diff(self.row_splits)

    @cached_property
    def longest(self) -> int:
        return int(self.lengths.max(initial=0))

    @cached_property
    def starts(self) -> Tensor:
        """Where each text starts.  *Shape:* ``(texts,)``, int64"""
        return torch.from_numpy(self.row_splits[:-1]).to(self.device, non_blocking=True)

    @cached_property
    def ends(self) -> Tensor:
        """``row_splits`` as the kernels of a GPU want it.  *Shape:* ``(texts + 1,)``, int32"""
        return torch.from_numpy(self.row_splits.astype(np.int32)).to(self.device, non_blocking=True)

    @cached_property
    def owners(self) -> Tensor:
        """Which text each piece belongs to.  *Shape:* ``(tokens,)``, int64"""
        owners = np.repeat(np.arange(len(self.lengths)), self.lengths)
        return torch.from_numpy(owners).to(self.device, non_blocking=True)

    @cached_property
    def positions(self) -> Tensor:
        """Number of each piece in its text, from 0.  *Shape:* ``(tokens,)``, int64"""
        positions = np.arange(self.row_splits[-1]) - np.repeat(self.row_splits[:-1], self.lengths)
        return torch.from_numpy(positions).to(self.device, non_blocking=True)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Texts that are computed together by the grouped kernel, in the order of the sequence."""
        overhead = _GROUP_OVERHEAD.get(self.device.type, _GROUP_OVERHEAD["cuda"])
        cuts = length_groups(self.lengths, overhead=overhead)
        return tuple(
            Group.of(self.row_splits[start : end + 1], self.device) for start, end in itertools.pairwise(cuts)
        )

    @cached_property
    def documents(self) -> Any:
        """The mask of flex attention: a piece sees the pieces of its own text."""
        from torch.nn.attention.flex_attention import create_block_mask

        owners, tokens = self.owners, int(self.row_splits[-1])
        return create_block_mask(
            lambda _batch, _head, query, key: owners[query] == owners[key],
            None, None, tokens, tokens, device=self.device,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Group:
    """Neighbouring texts of equal or similar length."""

    start: int
    end: int
    """Pieces ``start:end`` of the sequence."""
    n_texts: int
    longest: int
    places: Tensor | None
    """Where each piece stands in the padded rectangle; None where all are equally long.  *Shape:* ``(pieces,)``"""
    mask: Tensor | None
    """True where there is a piece.  *Shape:* ``(texts, 1, 1, longest)``"""

    @classmethod
    def of(cls, splits: NDArray[np.int64], device: torch.device) -> Group:
        """The group of the texts between these splits."""
        lengths = np.diff(splits)
        n_texts, longest = len(lengths), int(lengths.max())
        places = mask = None
        if int(lengths.min()) < longest:
            filled = np.arange(longest) < lengths[:, None]
            places = torch.from_numpy(np.flatnonzero(filled)).to(device, non_blocking=True)
            mask = torch.from_numpy(filled[:, None, None, :]).to(device, non_blocking=True)
        return cls(int(splits[0]), int(splits[-1]), n_texts, longest, places, mask)

    def take(self, flat: Tensor) -> Tensor:
        """Its part of the sequence as a rectangle.

        :param flat: *Shape:* ``(tokens, heads, head_width)``
        :returns: *Shape:* ``(texts, heads, longest, head_width)``
        """
        part = flat[self.start : self.end]
        if self.places is not None:
            empty = part.new_zeros((self.n_texts * self.longest, *part.shape[1:]))
            part = empty.index_copy(0, self.places, part)
        return part.view(self.n_texts, self.longest, *part.shape[1:]).transpose(1, 2)

    def give(self, rectangle: Tensor) -> Tensor:
        """The inverse of :meth:`take`: *Shape:* ``(pieces, heads, head_width)``"""
        flat = rectangle.transpose(1, 2).flatten(0, 1)
        return flat if self.places is None else flat.index_select(0, self.places)


@dataclass(frozen=True)
class Kernel:
    """One way to compute the attention: ``compute(query, key, value, layout, scale, dropout, window)``.

    Query, key, value and result have the *shape* ``(tokens, heads, head_width)``; ``window`` is how many pieces to
    either side a piece sees, None for all of its text.
    """

    name: str
    compute: Callable[[Tensor, Tensor, Tensor, Layout, float, float, int | None], Tensor]

    def __deepcopy__(self, memo: dict[int, Any]) -> Kernel:
        del memo
        return self


def _grouped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
    window: int | None,
) -> Tensor:
    parts = []
    for group in layout.groups:
        mask = group.mask
        if window is not None and group.longest > window + 1:
            places = torch.arange(group.longest, device=query.device)
            near = (places[:, None] - places[None, :]).abs() <= window
            mask = near[None, None] if mask is None else mask & near
        rectangle = scaled_dot_product_attention(
            group.take(query),
            group.take(key),
            group.take(value),
            attn_mask=mask,
            dropout_p=dropout,
            scale=scale,
        )
        parts.append(group.give(rectangle))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
    window: int | None,
) -> Tensor:
    from flash_attn import flash_attn_varlen_func

    sides = (-1, -1) if window is None else (window, window)
    found: Tensor = flash_attn_varlen_func(
        query, key, value, layout.ends, layout.ends, layout.longest, layout.longest,
        dropout_p=dropout, softmax_scale=scale, window_size=sides,
    )  # fmt: skip
    return found


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
    window: int | None,
) -> Tensor:
    sides = (-1, -1) if window is None else (window, window)
    if not dropout:
        from torch.nn.attention.varlen import varlen_attn

        plain = varlen_attn(
            query, key, value, layout.ends, layout.ends, layout.longest, layout.longest,
            scale=scale, window_size=sides,
        )  # fmt: skip
        return plain if isinstance(plain, Tensor) else plain[0]
    # The public function has no dropout; the operator under it has.
    left, right = (None, None) if window is None else sides
    found: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - see above
        query, key, value, layout.ends, layout.ends, layout.longest, layout.longest, dropout, False, False,
        scale=scale, window_size_left=left, window_size_right=right,
    )[0]  # fmt: skip
    return found


def _flex(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
    window: int | None,
) -> Tensor:
    if dropout or window is not None:
        return _grouped(query, key, value, layout, scale, dropout, window)
    query, key, value = (one.transpose(0, 1)[None].contiguous() for one in (query, key, value))
    found: Tensor = _compiled_flex()(query, key, value, block_mask=layout.documents, scale=scale)
    return found[0].transpose(0, 1)


@lru_cache(maxsize=1)
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    # Without compilation it computes the whole square of the sequence.
    return torch.compile(flex_attention, dynamic=True)


GROUPED = Kernel("grouped", _grouped)
KERNELS = {
    kernel.name: kernel
    for kernel in (Kernel("flash", _flash), Kernel("varlen", _varlen), Kernel("flex", _flex), GROUPED)
}
"""From the one that should be the fastest to the one that is everywhere."""


@dataclass(frozen=True)
class Chosen:
    """A kernel, and why the faster ones were not taken."""

    kernel: Kernel
    passed_over: dict[str, str]
    """Name of a faster kernel -> what stood against it."""


def choose_kernel(
    device: torch.device,
    precision: torch.dtype,
    *,
    head_width: int,
    dropout: float = 0.0,
    training: bool = False,
    names: tuple[str, ...] = tuple(KERNELS),
) -> Chosen:
    """The first of the named kernels that computes the same as ``grouped`` on this device, tried on a few pieces.

    :param precision: of the matrix products
    :param dropout: of the attention weights, while training
    :param training: gradients are needed
    """
    passed_over: dict[str, str] = {}
    for name in names:
        kernel = KERNELS[name]
        problem = "" if kernel is GROUPED else _what_is_against(
            kernel, device, precision, head_width=head_width, dropout=dropout if training else 0.0, training=training
        )  # fmt: skip
        if not problem:
            return Chosen(kernel, passed_over)
        passed_over[name] = problem
    return Chosen(GROUPED, passed_over)


def _what_is_against(
    kernel: Kernel,
    device: torch.device,
    precision: torch.dtype,
    *,
    head_width: int,
    dropout: float,
    training: bool,
) -> str:
    """Why a kernel cannot be used; empty if it can."""
    if device.type != "cuda":
        return "needs a GPU"
    if kernel.name == "flash" and importlib.util.find_spec("flash_attn") is None:
        return "the package flash-attn is not installed"
    if kernel.name in {"flash", "varlen"} and precision not in {torch.bfloat16, torch.float16}:
        return "needs half precision"
    if kernel.name == "flex" and dropout:
        return "has no dropout of attention weights"
    try:
        return try_kernel(
            kernel, device, precision, head_width=head_width, dropout=dropout, training=training
        )
    except Exception as error:  # noqa: BLE001 - whatever a kernel of a GPU says, the next one is taken
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def try_kernel(
    kernel: Kernel,
    device: torch.device,
    precision: torch.dtype,
    *,
    head_width: int,
    dropout: float,
    training: bool,
) -> str:
    """Compare a kernel with ``grouped`` on four short texts; also its gradients where they are needed.

    :returns: what differs; empty if nothing does
    """
    splits = np.cumsum([0, 3, 17, 5, 40]).astype(np.int64)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, int(splits[-1]), 2, head_width, generator=generator)
    results = []
    for one in (GROUPED, kernel):
        layout = Layout(splits, device, one)
        leaf = values.to(device, precision, copy=True).requires_grad_(training)
        with torch.set_grad_enabled(training):
            out = one.compute(leaf[0], leaf[1], leaf[2], layout, head_width**-0.5, 0.0, None)
        results.append([out.detach().float()])
        if training:
            (gradient,) = torch.autograd.grad(out.float().square().sum(), leaf)
            results[-1].append(gradient.float())
    tolerance = 1e-4 if precision == torch.float32 else 0.05
    for name, expected, found in zip(("output", "gradient"), *results, strict=False):
        difference = float((found - expected).abs().max() / expected.abs().max())
        if not difference <= tolerance:
            return f"{name} differs from that of grouped by {difference:.1e}"
    if dropout:
        return _what_is_wrong_with_dropout(
            kernel, Layout(splits, device, kernel), values.to(device, precision)
        )
    return ""


def _what_is_wrong_with_dropout(kernel: Kernel, layout: Layout, values: Tensor) -> str:
    """Dropout must change the result, keep its mean, and have a gradient."""
    leaf = values.detach().clone().requires_grad_(True)
    scale = values.shape[-1] ** -0.5
    plain = kernel.compute(leaf[0], leaf[1], leaf[2], layout, scale, 0.0, None).detach().float()
    draws = [kernel.compute(leaf[0], leaf[1], leaf[2], layout, scale, 0.5, None) for _ in range(64)]
    if torch.equal(draws[0], draws[1]):
        return "dropout changes nothing"
    mean = torch.stack([one.detach().float() for one in draws]).mean(dim=0)
    if not float((mean - plain).abs().mean() / plain.abs().mean()) < 0.5:
        return "dropout does not keep the mean"
    (gradient,) = torch.autograd.grad(draws[0].float().sum(), leaf)
    if not bool(gradient.isfinite().all()):
        return "dropout has no finite gradient"
    return ""


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer.

    :param query: as ``key`` and ``value``.  *Shape:* ``(1, heads, tokens, head_width)``
    :param layout: None: plain ``sdpa`` with ``attention_mask``
    :param sliding_window: one more than the pieces that a piece sees to either side
    :returns: *Shape:* ``(1, tokens, heads, head_width)``
    """
    if layout is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        padded: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return padded
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    window = None if sliding_window is None else sliding_window - 1
    query, key, value = (one[0].transpose(0, 1) for one in (query, key, value))
    return layout.kernel.compute(query, key, value, layout, scale, dropout, window)[None], None


@lru_cache(maxsize=1)
def register() -> None:
    """Make the function known to transformers."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
