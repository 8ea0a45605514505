"""A classifier whose weights, gradients and moments are cut into shares, one for each process (FSDP).

It does not know texts nor losses. What the processes hold together is trained; the whole is put together where it is
needed: for validation, for a checkpoint, at the end.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from jptextclf.launched import refusal
from jptextclf.messages import listing
from jptextclf.parameters import enable_gradient_checkpointing, encoder_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jptextclf.launched import Sharding
    from jptextclf.model import Classifier
    from jptextclf.world import World


class Shards:
    """The share that this process has of a classifier, and what it takes to compute with it as with the whole.

    Each process must compute the same number of micro-batches: weights are gathered for each of them.

    :param whole: stays as it is, on the CPU, until :meth:`gather`
    :raises SetupError: the encoder has no layer of the name that the launcher gives (``JPT-E096``)
    """

    def __init__(self, whole: Classifier, settings: Sharding, *, device: torch.device, world: World) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        self.whole = whole
        self.device = device
        self.world = world
        self.classifier = copy.deepcopy(whole)
        if settings.recompute:
            enable_gradient_checkpointing(self.classifier)
        parts = list(_parts(self.classifier, settings))
        mesh = init_device_mesh(device.type, (world.size,))
        for part in parts:
            fully_shard(part, mesh=mesh, reshard_after_forward=settings.reshard)
        # The classifier calls the encoder inside the network, so that only hooks of its own are sure to run.
        fully_shard(self.classifier, mesh=mesh)
        for module in self.classifier.modules():
            if isinstance(module, FSDPModule):
                # Losses are divided by the whole batch already: gradients are added, not averaged. Gloo has no average.
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)

    def clip(self, parameters: Iterable[Tensor], most: float) -> float:
        """Scale all gradients down to a norm of ``most``; their norm before."""
        gradients = [share(one.grad) for one in parameters if one.grad is not None]
        squares = torch.zeros((), device=self.device)
        for one in gradients:
            squares += one.square().sum()
        self.world.add(squares)
        norm = math.sqrt(float(squares))
        for one in gradients:
            one.mul_(min(1.0, most / (norm + 1e-6)))
        return norm

    def gather(self) -> Classifier:
        """The whole classifier with the weights of now, on the device, in every process."""
        whole = self.whole.to(self.device)
        with torch.no_grad():
            target = whole.state_dict()
            for name, value in self.classifier.state_dict().items():
                target[name].copy_(gathered(value))
        return whole

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take this process's share of the weights of a whole classifier."""
        for name, value in self.classifier.state_dict().items():
            self._fill(value, weights[name])

    def cut(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """A tensor that is cut as a parameter is, with the values of a whole one."""
        found = torch.zeros_like(parameter)
        self._fill(found, whole)
        return found

    def replace(self, groups: Iterable[dict[str, Any]]) -> None:
        """Put the shares into an optimizer's parameter groups, in the place of the whole parameters."""
        names = {id(one): name for name, one in self.whole.named_parameters()}
        shares = dict(self.classifier.named_parameters())
        for group in groups:
            group["params"] = [shares[names[id(one)]] for one in group["params"]]

    def _fill(self, tensor: Tensor, whole: Tensor) -> None:
        own = share(tensor)
        if own is not tensor:
            # As torch cuts: along the first axis, into pieces of one size but for the last ones.
            pieces = whole.chunk(self.world.size)
            whole = pieces[self.world.rank] if self.world.rank < len(pieces) else whole[:0]
        with torch.no_grad():
            own.copy_(whole)

    def put_back(self) -> None:
        """Give back what :meth:`gather` took on the device."""
        self.whole.cpu()


def gathered(tensor: Tensor) -> Tensor:
    """The whole tensor, in every process, of one that may be cut into shares."""
    full = getattr(tensor, "full_tensor", None)
    return tensor if full is None else cast("Tensor", full())


def share(tensor: Tensor | Any) -> Tensor:
    """What this process has of a tensor that may be cut into shares; to be changed in place."""
    local = getattr(tensor, "to_local", None)
    return cast("Tensor", tensor if local is None else local())


def _parts(classifier: Classifier, settings: Sharding) -> Iterator[nn.Module]:
    """What is gathered apart, inner parts first: embeddings and layers, which surely compute by being called."""
    layers = encoder_layers(classifier.network)
    if settings.wrap == "SIZE_BASED_WRAP":
        for module in (classifier.network.get_input_embeddings(), *layers):
            if sum(one.numel() for one in module.parameters()) > settings.least_parameters:
                yield module
    if settings.wrap != "TRANSFORMER_BASED_WRAP":
        return
    known = sorted({type(layer).__name__ for layer in layers})
    names = settings.layer_classes or tuple(known)
    inside = [module for layer in layers for module in reversed(list(layer.modules()))]
    if lacking := set(names) - {type(module).__name__ for module in inside}:
        raise refusal("FSDP_TRANSFORMER_CLS_TO_WRAP", listing(known), listing(sorted(lacking)))
    yield from (module for module in inside if type(module).__name__ in names)
