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

from jptextclf import builtin
from jptextclf.batching import length_batches
from jptextclf.devices import autocast, memory_errors
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import listing

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

    :param network: a ``…ForSequenceClassification`` of transformers
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.pad_id = int(network.config.pad_token_id or 0)

    def forward(self, input_ids: Tensor, row_splits: Tensor) -> Tensor:
        """
        :param input_ids: piece ids of all texts, one after the other.  *Shape:* ``(tokens,)``, int64
        :param row_splits: where each text starts, and the end.         *Shape:* ``(texts + 1,)``, int64
        :returns: logits, before softmax or sigmoid.                     *Shape:* ``(texts, n_labels)``, float32
        """
        padded, mask = pad(input_ids, row_splits, self.pad_id)
        logits: Tensor = self.network(input_ids=padded, attention_mask=mask).logits
        return logits.float()

    @property
    def width(self) -> int:
        """Hidden size of a vector."""
        return hidden_width(self.network.config)

    @property
    def device(self) -> torch.device:
        found: torch.device = next(self.network.parameters()).device
        return found


def compute_logits(
    classifier: Classifier,
    encodings: Encodings,
    *,
    precision: torch.dtype = torch.float32,
    max_tokens: int,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Logits of many texts, in batches of similar length.

    :param max_tokens: padded pieces in one batch at most
    :param on_batch: told how many texts were done, after each batch
    :returns: logits in the order of ``encodings``.  *Shape:* ``(texts, n_labels)``
    """
    logits = np.zeros((len(encodings), classifier.network.config.num_labels), dtype=np.float32)
    device = classifier.device
    # Threads share a classifier: one that only predicts is in eval mode from the start and stays there.
    was_training = classifier.training
    if was_training:
        classifier.eval()
    with torch.inference_mode(), autocast(device, precision), memory_errors():
        for texts in length_batches(encodings.lengths, max_tokens=max_tokens):
            logits[texts] = classifier(*to_device(encodings.select(texts), device)).cpu().numpy()
            if on_batch is not None:
                on_batch(len(texts))
    if was_training:
        classifier.train()
    return logits


def to_device(encodings: Encodings, device: torch.device) -> tuple[Tensor, Tensor]:
    """``input_ids`` and ``row_splits`` as tensors, ready for :meth:`Classifier.forward`."""
    return (
        torch.from_numpy(encodings.input_ids).to(device, non_blocking=True),
        torch.from_numpy(encodings.row_splits).to(device, non_blocking=True),
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


def load_classifier(directory: Path) -> Classifier:
    """A trained classifier from a run directory, in float32 on the CPU.

    :raises SetupError: the files cannot be read (``JPT-E044``)
    """
    from transformers import AutoModelForSequenceClassification

    with _translated(directory), _quiet_transformers():
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            str(directory), dtype=torch.float32, local_files_only=True, trust_remote_code=False,
            use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
    odd = sorted(
        {*loading["missing_keys"], *loading["unexpected_keys"], *map(str, loading["mismatched_keys"])}
    )
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
