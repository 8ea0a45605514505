"""The classifier: a pretrained encoder and its head, ragged piece ids in, logits out.

It does not know where texts or labels come from. The network is transformers' own
``…ForSequenceClassification``, so that what is trained is what plain transformers loads.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from jptextclf import builtin, unpadded
from jptextclf.batching import flat_batches, length_batches
from jptextclf.devices import autocast, memory_errors
from jptextclf.errors import ConfigError, SetupError
from jptextclf.heads import HEADS, first_pieces, mean_of_pieces
from jptextclf.messages import listing
from jptextclf.unpadded import GROUPED, KERNELS, Chosen, Kernel, Layout, choose_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.adapters import TokenizerInfo
    from jptextclf.encoders import EncoderFiles
    from jptextclf.encodings import Encodings
    from jptextclf.labels import LabelSchema

# Their position ids start after the padding id, so that many rows of the table are never reached.
_POSITIONS_AFTER_PADDING = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer"}


class Classifier(nn.Module):
    """An encoder with a classification head.

    Where the architecture allows it (:data:`jptextclf.heads.HEADS`), texts of different length are computed on one
    flat sequence, without padding; else they are padded to the longest. Both give the same logits and gradients.

    :param network: a ``…ForSequenceClassification`` of transformers
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.pad_id = int(network.config.pad_token_id or 0)
        self.head = HEADS.get(type(network).__name__)
        self.kernel: Kernel | None = None
        """How attention is computed on the flat sequence; None: texts are padded."""
        if self.head is not None:
            unpadded.register()
            network.set_attn_implementation(unpadded.ATTENTION)
            self.kernel = GROUPED

    def forward(self, input_ids: Tensor, row_splits: Tensor, text_splits: Tensor | None = None) -> Tensor:
        """
        :param input_ids: piece ids of all rows, one after the other.    *Shape:* ``(tokens,)``
        :param row_splits: where each row starts, and the end.           *Shape:* ``(rows + 1,)``, int64, on the CPU
        :param text_splits: where a text is several rows (windows): which rows are which text's; the logits of a text
            are the mean over its rows. None: each row is a text.        *Shape:* ``(texts + 1,)``, int64, on the CPU
        :returns: logits, before softmax or sigmoid.                     *Shape:* ``(texts, n_labels)``, float32
        """
        if self.kernel is None or self.head is None:
            padded, mask = pad(input_ids, row_splits.to(input_ids.device), self.pad_id)
            logits: Tensor = self.network(input_ids=padded, attention_mask=mask).logits
        else:
            layout = Layout(row_splits.numpy(), input_ids.device, self.kernel)
            hidden = self.encode(input_ids, layout).last_hidden_state[0]
            logits = self.head.compute(self.network, hidden, layout)
        logits = logits.float()
        return logits if text_splits is None else mean_of_rows(logits, text_splits)

    def encode(self, input_ids: Tensor, layout: Layout, *, every_layer: bool = False) -> Any:
        """What the encoder alone says, without padding; see :class:`transformers.modeling_outputs.BaseModelOutput`.

        :param input_ids: *Shape:* ``(tokens,)``
        :param every_layer: also ``hidden_states``, one for the embeddings and each layer
        :returns: each of its tensors has the *shape* ``(1, tokens, width)``
        """
        positions = layout.positions + (self.first_position if self.head and self.head.after_padding else 0)
        masks = self.head.masks if self.head else None
        return self.network.base_model(
            input_ids=input_ids[None].long(), position_ids=positions[None], attention_mask=masks, layout=layout,
            output_hidden_states=every_layer,
        )  # fmt: skip

    @property
    def first_position(self) -> int:
        """Position id of the first piece in the architectures that number from after the padding id."""
        return int(self.network.config.pad_token_id) + 1

    @property
    def width(self) -> int:
        """Hidden size of a vector."""
        return hidden_width(self.network.config)

    @property
    def device(self) -> torch.device:
        found: torch.device = next(self.network.parameters()).device
        return found

    def choose_attention(self, name: str, *, precision: torch.dtype, training: bool) -> Chosen | None:
        """Decide how attention is computed on the device where the network is.

        :param name: ``auto`` takes the fastest that is there and right; ``padded`` pads; else a name of
            :data:`jptextclf.unpadded.KERNELS`
        :param training: gradients, and dropout of attention weights, are needed
        :returns: None where texts are padded
        :raises ConfigError: the architecture cannot do without padding (``JPT-U178``)
        :raises SetupError: this kernel cannot be used here (``JPT-E095``)
        """
        if self.head is None or name == "padded":
            if name not in {"auto", "padded"}:
                raise ConfigError("U178", attention=name, architecture=type(self.network).__name__)
            self.kernel = None
            return None
        config = self.network.config
        chosen = choose_kernel(
            self.device,
            precision,
            head_width=hidden_width(config) // n_heads(config),
            dropout=float(attention_dropout(config)),
            training=training,
            names=tuple(KERNELS) if name == "auto" else (name,),
        )
        if chosen.kernel.name != name != "auto":
            raise SetupError("E095", attention=name, device=self.device, problem=chosen.passed_over[name])
        self.kernel = chosen.kernel
        return chosen


def compute_logits(
    classifier: Classifier,
    encodings: Encodings,
    *,
    text_splits: NDArray[np.int64] | None = None,
    precision: torch.dtype = torch.float32,
    max_tokens: int,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Logits of many texts, in batches of similar length.

    :param text_splits: which rows of ``encodings`` are which text's, where texts are windows.  *Shape:* ``(texts + 1,)``
    :param max_tokens: pieces in one batch at most, with their padding where there is any
    :param on_batch: told how many texts were done, after each batch
    :returns: logits in the order of the texts.  *Shape:* ``(texts, n_labels)``
    """
    logits = np.zeros((len(encodings), classifier.network.config.num_labels), dtype=np.float32)

    def store(rows: NDArray[np.int64], batch: tuple[Tensor, Tensor]) -> None:
        logits[rows] = classifier(*batch).cpu().numpy()

    _for_batches(classifier, encodings, store, precision=precision, max_tokens=max_tokens, on_batch=on_batch)
    if text_splits is None:
        return logits
    return mean_of_rows(torch.from_numpy(logits), torch.from_numpy(text_splits)).numpy()


def compute_vectors(
    classifier: Classifier,
    encodings: Encodings,
    *,
    pooling: str,
    layers: int = 1,
    precision: torch.dtype = torch.float32,
    max_tokens: int,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Vectors of many rows of pieces from the encoder as it is, in batches of similar length.

    :param pooling: ``first``: of the first piece; ``mean``: over the pieces, special tokens included
    :param layers: how many of the last layers are put side by side, the last one first
    :param max_tokens: pieces in one batch at most, with their padding where there is any
    :returns: *Shape:* ``(rows, layers * width)``
    :raises ConfigError: the encoder has fewer layers (``JPT-U179``)
    """
    n_layers = count_layers(classifier.network.config)
    if layers > n_layers:
        raise ConfigError("U179", layers=layers, n=n_layers)
    vectors = np.zeros((len(encodings), layers * classifier.width), dtype=np.float32)

    def store(rows: NDArray[np.int64], batch: tuple[Tensor, Tensor]) -> None:
        vectors[rows] = _vectors(classifier, *batch, pooling=pooling, layers=layers).float().cpu().numpy()

    _for_batches(classifier, encodings, store, precision=precision, max_tokens=max_tokens, on_batch=on_batch)
    return vectors


def _for_batches(
    classifier: Classifier,
    encodings: Encodings,
    store: Callable[[NDArray[np.int64], tuple[Tensor, Tensor]], None],
    *,
    precision: torch.dtype,
    max_tokens: int,
    on_batch: Callable[[int], None] | None,
) -> None:
    """Give every row to ``store`` once, in eval mode and without gradients."""
    device = classifier.device
    # Threads share a classifier: one that only predicts is in eval mode from the start and stays there.
    was_training = classifier.training
    if was_training:
        classifier.eval()
    cut = length_batches if classifier.kernel is None else flat_batches
    with torch.inference_mode(), autocast(device, precision), memory_errors():
        for rows in cut(encodings.lengths, max_tokens=max_tokens):
            store(rows, to_device(encodings.select(rows), device))
            if on_batch is not None:
                on_batch(len(rows))
    if was_training:
        classifier.train()


def _vectors(
    classifier: Classifier, input_ids: Tensor, row_splits: Tensor, *, pooling: str, layers: int
) -> Tensor:
    if classifier.kernel is None:
        padded, mask = pad(input_ids, row_splits.to(input_ids.device), classifier.pad_id)
        states = classifier.network.base_model(
            input_ids=padded, attention_mask=mask, output_hidden_states=True
        ).hidden_states
        found = torch.cat(states[: -layers - 1 : -1], dim=-1)
        if pooling == "first":
            return found[:, 0]
        return (found * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    layout = Layout(row_splits.numpy(), input_ids.device, classifier.kernel)
    output = classifier.encode(input_ids, layout, every_layer=layers > 1)
    states = output.hidden_states if layers > 1 else (output.last_hidden_state,)
    found = torch.cat(states[: -layers - 1 : -1], dim=-1)[0]
    return first_pieces(found, layout) if pooling == "first" else mean_of_pieces(found, layout)


def divide_logits(classifier: Classifier, temperatures: NDArray[np.float64]) -> None:
    """Scale the last layer so that its logits are divided by temperatures; plain transformers then does the same.

    :param temperatures: one for all labels, or one for each.  *Shape:* ``(1,)`` or ``(n_labels,)``
    :raises SetupError: the network does not end in a linear layer for the labels (``JPT-E098``)
    """
    n_labels = classifier.network.config.num_labels
    ends = [
        one
        for one in classifier.network.modules()
        if isinstance(one, nn.Linear) and one.out_features == n_labels
    ]
    if not ends:
        raise SetupError("E098", architecture=type(classifier.network).__name__)
    last = ends[-1]
    factors = torch.as_tensor(1 / temperatures, dtype=last.weight.dtype, device=last.weight.device)
    with torch.no_grad():
        last.weight.mul_(factors[:, None])
        if last.bias is not None:
            last.bias.mul_(factors)


def mean_of_rows(logits: Tensor, text_splits: Tensor) -> Tensor:
    """Logits of texts from those of their windows.

    :param logits: *Shape:* ``(rows, n_labels)``
    :param text_splits: *Shape:* ``(texts + 1,)``, int64
    :returns: *Shape:* ``(texts, n_labels)``
    """
    counts = text_splits.diff().to(logits.device)
    if len(counts) == len(logits):
        return logits
    owners = torch.repeat_interleave(torch.arange(len(counts), device=logits.device), counts)
    sums = logits.new_zeros((len(counts), logits.shape[1])).index_add(0, owners, logits)
    return sums / counts[:, None]


def to_device(encodings: Encodings, device: torch.device) -> tuple[Tensor, Tensor]:
    """``input_ids`` on the device and ``row_splits`` on the CPU, ready for :meth:`Classifier.forward`."""
    return (
        torch.from_numpy(encodings.input_ids).to(device, non_blocking=True),
        torch.from_numpy(encodings.row_splits),
    )


def pad(input_ids: Tensor, row_splits: Tensor, pad_id: int) -> tuple[Tensor, Tensor]:
    """Ragged ids -> a rectangle and its mask.

    :returns: ids and mask, 1 where there is a piece.  *Shape:* ``(texts, longest)``, int64 both
    """
    lengths = row_splits.diff()
    mask = torch.arange(int(lengths.max()), device=input_ids.device)[None, :] < lengths[:, None]
    padded = torch.full(mask.shape, pad_id, dtype=torch.long, device=input_ids.device)
    padded[mask] = input_ids.long()
    return padded, mask.long()


def build_classifier(
    files: EncoderFiles, schema: LabelSchema, *, seed: int, first_position: int | None = None
) -> Classifier:
    """The pretrained encoder with a new head, in float32 on the CPU.

    :param seed: of the head's first values
    :param first_position: position id of the first piece in pretraining, where transformers would give another one
    :raises SetupError: the weights or the configuration cannot be read (``JPT-E044``), there is no
        classifier of that architecture (``JPT-E045``), or the encoder's weights are incomplete (``JPT-E046``)
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    with _translated(files.directory):
        config = AutoConfig.from_pretrained(
            str(files.directory), local_files_only=True, trust_remote_code=False
        )
    _describe_labels(config, schema)
    if type(config) not in AutoModelForSequenceClassification._model_mapping.keys():  # noqa: SLF001, SIM118
        raise SetupError("E045", path=files.directory, found=config.model_type)
    # The caller's own random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, missing = _pretrained(files, config)
    # Encoders published for embeddings have no pooler; it belongs to the head and is trained with it.
    lacking = [key for key in missing if not key.startswith("pooler.")]
    if lacking:
        raise SetupError("E046", path=files.directory, n=len(lacking), names=listing(lacking, 5))
    _start_from_identity(network, pooler_is_new=len(missing) > len(lacking))
    if first_position is not None and network.config.model_type in _POSITIONS_AFTER_PADDING:
        _shift_positions(network, first_position)
    return Classifier(network)


def load_classifier(directory: Path, *, encoder_only: bool = False) -> Classifier:
    """A trained classifier from a run directory, in float32 on the CPU.

    :param encoder_only: the directory holds an encoder without a head: that of the result is random
    :raises SetupError: the files cannot be read (``JPT-E044``)
    """
    from transformers import AutoModelForSequenceClassification

    # The caller's own random numbers stay as they were.
    with _translated(directory), _quiet_transformers(), torch.random.fork_rng(devices=[]):
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            str(directory), dtype=torch.float32, local_files_only=True, trust_remote_code=False,
            use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
    odd = sorted(
        {*loading["missing_keys"], *loading["unexpected_keys"], *map(str, loading["mismatched_keys"])}
    )
    if encoder_only:
        prefix = network.base_model_prefix + "."
        odd = [name for name in odd if name.startswith(prefix) or name not in loading["missing_keys"]]
    if odd:
        raise SetupError("E046", path=directory, n=len(odd), names=listing(odd, 5))
    return Classifier(network).eval()


def check_fit(classifier: Classifier, tokenizer: TokenizerInfo, *, path: Path, max_length: int) -> None:
    """The guard: does this tokenizer belong to this encoder, and do the texts fit?

    A wrong tokenizer trains silently to a bad model, so this runs before any training.

    :raises SetupError: more ids than embedding rows (``JPT-E047``), or another padding id (``JPT-E048``)
    :raises ConfigError: ``max_length`` is beyond the encoder's positions (``JPT-U023``)
    """
    config = classifier.network.config
    rows = classifier.network.get_input_embeddings().weight.shape[0]
    if tokenizer.vocabulary_size > rows:
        raise SetupError("E047", path=path, vocabulary=tokenizer.vocabulary_size, rows=rows)
    pad_id = tokenizer.special_ids.get("pad")
    if pad_id is not None and config.pad_token_id is not None and pad_id != config.pad_token_id:
        raise SetupError("E048", path=path, tokenizer=pad_id, encoder=config.pad_token_id)
    positions = max_positions(config)
    if positions is not None and max_length > positions:
        raise ConfigError("U023", max_length=max_length, positions=positions)


def max_positions(config: Any) -> int | None:
    """How many pieces of one text the encoder can number; None where it has no such limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return None
    if config.model_type in _POSITIONS_AFTER_PADDING:
        return int(positions) - int(config.pad_token_id) - 1
    return int(positions)


def hidden_width(config: Any) -> int:
    """Hidden size, whatever the architecture calls it."""
    return int(getattr(config, "hidden_size", None) or config.dim)


def n_heads(config: Any) -> int:
    """Attention heads of a layer, whatever the architecture calls them."""
    return int(getattr(config, "num_attention_heads", None) or config.n_heads)


def count_layers(config: Any) -> int:
    """Layers of the encoder, whatever the architecture calls them."""
    return int(getattr(config, "num_hidden_layers", None) or config.n_layers)


def attention_dropout(config: Any) -> float:
    """Dropout of attention weights in training, whatever the architecture calls it."""
    found = getattr(config, "attention_probs_dropout_prob", None)
    return float(getattr(config, "attention_dropout", 0.0) if found is None else found)


def _pretrained(files: EncoderFiles, config: Any) -> tuple[Any, list[str]]:
    """A network with the encoder's weights and a new head, and which tensors of the encoder are missing."""
    from transformers import AutoModelForSequenceClassification

    if files.kind == "builtin":
        network = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        return network, list(
            network.base_model.load_state_dict(builtin.load_state_dict(), strict=False).missing_keys
        )
    with _translated(files.directory), _quiet_transformers():
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            str(files.directory), config=config, dtype=torch.float32, local_files_only=True,
            trust_remote_code=False, use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
    prefix = network.base_model_prefix + "."
    return network, [key.removeprefix(prefix) for key in loading["missing_keys"] if key.startswith(prefix)]


def _start_from_identity(network: Any, *, pooler_is_new: bool) -> None:
    """Let a new square layer between encoder and output start as the identity.

    Heads pass the first token's vector through one more layer, drawn at random with a standard deviation of
    0.02, which hides most of what the encoder says until it is trained. Measured on Japanese hotel reviews with
    the embedded encoder (pn, one seed, 4 epochs): development accuracy 0.857 instead of 0.850, after one epoch
    0.817 instead of 0.784.
    """
    prefix = network.base_model_prefix + "."
    for name, layer in network.named_modules():
        is_new = not name.startswith(prefix) or (pooler_is_new and name.startswith(f"{prefix}pooler."))
        if (
            is_new
            and isinstance(layer, nn.Linear)
            and layer.in_features == layer.out_features > network.num_labels
        ):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)


def _shift_positions(network: Any, first_position: int) -> None:
    """Move the rows of the position table to where transformers looks for them, so that plain files do right.

    transformers numbers the pieces of the RoBERTa family from ``pad_token_id + 1`` on
    (huggingface/transformers, ``create_position_ids_from_input_ids``); rinna/japanese-roberta-base was pretrained
    with numbers from 0 on (its README). The table becomes longer by as many rows as it moves.
    """
    embeddings = network.base_model.embeddings
    old = embeddings.position_embeddings
    shift = int(network.config.pad_token_id) + 1 - first_position
    if shift <= 0:
        return
    rows = old.weight.shape[0] + shift
    moved = nn.Embedding(rows, old.weight.shape[1], padding_idx=old.padding_idx, dtype=old.weight.dtype)
    with torch.no_grad():
        moved.weight.zero_()
        moved.weight[shift:] = old.weight
    embeddings.position_embeddings = moved
    network.config.max_position_embeddings = rows
    for name in ("position_ids", "token_type_ids"):
        buffer = getattr(embeddings, name, None)
        if buffer is not None:
            new = (
                torch.arange(rows).expand((1, -1)) if name == "position_ids" else buffer.new_zeros((1, rows))
            )
            embeddings.register_buffer(name, new, persistent=False)


def _describe_labels(config: Any, schema: LabelSchema) -> None:
    config.num_labels = schema.n_labels
    config.id2label = dict(enumerate(schema.names))
    config.label2id = {name: number for number, name in enumerate(schema.names)}
    config.problem_type = (
        "multi_label_classification" if schema.is_multilabel else "single_label_classification"
    )


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    """Whatever transformers says about unreadable files becomes one error of ours."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        problem = str(error).strip().split("\n")[0] or type(error).__name__
        raise SetupError("E044", path=directory, problem=problem) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no report of a new head for a load that is checked here anyway."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
