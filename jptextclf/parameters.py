"""Which parameters are trained, and how fast. It does not know losses nor steps.

Where a layer begins and what belongs below it is read from the network itself, not from one architecture's names: the
layers are the longest outermost list of modules in the encoder, and any other parameter belongs below the first layer
whose output depends on it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from jptextclf.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jptextclf.model import Classifier

_QUERIES_AND_VALUES = {
    "query", "value",  # BERT, RoBERTa, XLM-R, ELECTRA
    "q_lin", "v_lin",  # DistilBERT
    "query_proj", "value_proj",  # DeBERTa-v2
    "q_proj", "v_proj",
    "Wqkv",  # ModernBERT: one matrix, with the keys in it
}  # fmt: skip


def encoder_layers(network: Any) -> list[nn.Module]:
    """The layers of the encoder, the lowest first, whatever the architecture calls them."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in network.base_model.named_modules():
        is_inner = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, nn.ModuleList) and not is_inner:
            lists[name] = module
    return list(max(lists.values(), key=len, default=()))


def parameter_groups(
    classifier: Classifier, *, learning_rate: float, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, each with its ``lr`` and ``weight_decay``; frozen parameters are in none.

    The head has ``learning_rate``, and each layer ``layer_decay`` times that of the layer above it, down to the
    embeddings (discriminative fine-tuning, Howard and Ruder 2018, section 3.2; ELECTRA's and timm's layer-wise
    decay). Matrices have weight decay; biases and norms, which are vectors, have none.
    """
    trained = [one for one in classifier.parameters() if one.requires_grad]
    top = len(encoder_layers(classifier.network)) + 1
    depths = _depths(classifier) if layer_decay != 1 else {}
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for parameter in trained:
        depth, is_matrix = depths.get(id(parameter), top), parameter.ndim >= 2
        group = groups.setdefault(
            (depth, is_matrix),
            {
                "params": [],
                "lr": learning_rate * layer_decay ** (top - depth),
                "weight_decay": weight_decay if is_matrix else 0.0,
            },
        )
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups, reverse=True)]


def freeze_lower_layers(classifier: Classifier, n: int) -> None:
    """Let the ``n`` lower layers and the embeddings stay as they are.

    No graph is built for them in training, so that they need neither gradients nor kept activations.

    :raises ConfigError: there are fewer layers (``JPT-U141``)
    """
    n_layers = len(encoder_layers(classifier.network))
    if n > n_layers:
        raise ConfigError("U141", n=n, layers=n_layers)
    depths = _depths(classifier)
    for parameter in classifier.parameters():
        if n and depths[id(parameter)] <= n:
            parameter.requires_grad = False


def enable_gradient_checkpointing(classifier: Classifier) -> None:
    """Compute each layer's activations again in the backward pass instead of keeping them; gradients stay the same.

    :raises ConfigError: the architecture cannot (``JPT-U144``)
    """
    network = classifier.network
    if not network.supports_gradient_checkpointing:
        raise ConfigError("U144", architecture=type(network).__name__)
    # transformers 5.23 has renamed it and warns of the old name.
    enable = getattr(network, "activation_checkpointing_enable", None)
    (enable or network.gradient_checkpointing_enable)({"use_reentrant": False})


def add_lora(classifier: Classifier, *, rank: int, alpha: float, seed: int) -> None:
    """Train low-rank additions to queries and values, and the head, instead of the encoder (Hu et al. 2021).

    Each matrix ``W`` becomes ``W + alpha / rank * B @ A`` with ``B`` at 0, so that nothing changes at first. Layers
    that are frozen get none. The network is changed in place and stays a class of transformers.

    :param seed: of the additions' first values
    :raises SetupError: the package peft is not installed (``JPT-E001``)
    :raises ConfigError: there is no such matrix, or all are frozen (``JPT-U142``)
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise SetupError("E001", package="peft", extra="peft", what="LoRA (lora_rank)") from error
    network = classifier.network
    names = _queries_and_values(network)
    if not names:
        raise ConfigError("U142", architecture=type(network).__name__)
    top = len(encoder_layers(network)) + 1
    depths = _depths(classifier)
    head = [one for one in classifier.parameters() if depths[id(one)] == top and one.requires_grad]
    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0, bias="none")
    # The caller's own random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(settings, network)
    for parameter in head:
        parameter.requires_grad = True


def merge_lora(classifier: Classifier) -> None:
    """Add the low-rank additions to the weights; the network is then what it was before :func:`add_lora`."""
    from peft.tuners.lora import LoraLayer

    network = classifier.network
    added = [(name, module) for name, module in network.named_modules() if isinstance(module, LoraLayer)]
    for name, module in added:
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, module.get_base_layer())
    vars(network).pop("peft_config", None)


def _queries_and_values(network: Any) -> list[str]:
    """Full names of the matrices that get an addition."""
    layers = {id(module) for layer in encoder_layers(network) for module in layer.modules()}
    return [
        name
        for name, module in network.named_modules()
        if id(module) in layers
        and isinstance(module, nn.Linear)
        and name.rpartition(".")[2] in _QUERIES_AND_VALUES
        and module.weight.requires_grad
    ]


def _depths(classifier: Classifier) -> dict[int, int]:
    """How many layers lie below each parameter's use, by its id: 0 for embeddings, ``n + 1`` for the head of ``n`` layers.

    A parameter inside the i-th layer, from 1, has depth i. Outside, names and order say little: DeBERTa keeps its
    relative positions, which the lowest layer needs already, behind the layers.
    """
    layers = encoder_layers(classifier.network)
    depths = {id(one): len(layers) + 1 for one in classifier.parameters()}
    for number, layer in enumerate(layers, 1):
        depths.update((id(one), number) for one in layer.parameters())
    inside = {id(one) for layer in layers for one in layer.parameters()}
    outside = [one for one in classifier.parameters() if id(one) not in inside and one.requires_grad]
    for number, output in enumerate(_outputs(classifier, layers)):
        if not outside or not output.requires_grad:
            continue
        gradients = torch.autograd.grad(output.sum(), outside, allow_unused=True, retain_graph=True)
        used = {id(one) for one, found in zip(outside, gradients, strict=True) if found is not None}
        depths.update(dict.fromkeys(used, number))
        outside = [one for one in outside if id(one) not in used]
    return depths


def _outputs(classifier: Classifier, layers: list[nn.Module]) -> list[Tensor]:
    """What each layer says to three pieces, with its graph."""
    found: dict[int, Tensor] = {}

    def keep(layer: nn.Module, _: Any, output: Any) -> None:
        # A layer that is used several times counts where it is used first.
        found.setdefault(id(layer), output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    pieces = [one for one in range(4) if one != classifier.pad_id][:3]
    ids = torch.tensor([pieces], device=classifier.device)
    try:
        with _evaluated(classifier), torch.enable_grad():
            classifier.network(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        for hook in hooks:
            hook.remove()
    return [found[id(layer)] for layer in layers if id(layer) in found]


@contextmanager
def _evaluated(classifier: Classifier) -> Iterator[None]:
    """No dropout, so that no random number is drawn."""
    was_training = classifier.training
    classifier.eval()
    try:
        yield
    finally:
        classifier.train(was_training)
