"""A model cut over several processes, by FSDP2: each holds some rows of every tensor.

Parameters, gradient and moments live as shards on the devices of their ranks. A block of
the model is gathered for its part of a pass and given up after it. Whole vectors exist in the
program's memory alone: ranks of that machine read and write their shards there, to and from
others the leader sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import memory, optimizer
from .module import Module
from .program import Program
from .team import Beat, Team, share
from .wire import Refused

try:
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
except ImportError:
    raise Refused(f"models are sharded by fully_shard of PyTorch 2.6 and newer, this is {torch.__version__}") from None


def blocks(module: nn.Module) -> list[nn.Module]:
    """Returns what is gathered at once, apart from the rest: the numbered parts of a
    description; of any other module the outermost items of its lists, or if there are none
    of its sequences. What shares a parameter with others is left to the rest."""
    found = module.blocks() if isinstance(module, Program) else list(items(module, nn.ModuleList)) or list(items(module, nn.Sequential))
    block_of = {m: b for b in found for m in b.modules()}
    owners: dict[nn.Parameter, set[nn.Module | None]] = {}
    for m in module.modules():
        for p in m.parameters(recurse=False):
            owners.setdefault(p, set()).add(block_of.get(m))
    return [b for b in found if (own := list(b.parameters())) and all(len(owners[p]) == 1 for p in own)]


def items(module: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(module, kind) and not isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield child
        else:
            yield from items(child, kind)


@dataclass(frozen=True)
class Piece:
    """This process's rows of one tensor, values and moments on its device."""

    place: memory.Place
    whole: nn.Parameter
    values: Tensor
    first: Tensor | None
    second: Tensor | None

    def grad(self) -> Tensor:
        g = self.whole.grad
        return torch.zeros_like(self.values) if g is None else g.to_local()  # type: ignore[attr-defined]

    def parts(self, what: str) -> list[tuple[int, Tensor]]:
        """Returns what there is of a kind, and where the whole tensor lies in memory."""
        if what == "params":
            return [(self.place.params, self.values)]
        if self.first is None or self.second is None or self.place.first is None or self.place.second is None:
            return []  # frozen
        if what == "grads":
            return [(self.place.grads, self.grad())]
        return [(self.place.first, self.first), (self.place.second, self.second)]


def rows(shape: tuple[int, ...], rank: int, ranks: int) -> tuple[int, int]:
    """Returns which rows of a tensor a process has, as torch.chunk cuts them."""
    each = -(-shape[0] // ranks)
    return min(rank * each, shape[0]), min((rank + 1) * each, shape[0])


class Shard(Module):
    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Beat, team: Team):
        super().__init__(model, options, beat)
        self.team, self.shared = team, False
        if self.device.type == "cuda":
            self.device = torch.device("cuda", team.local)
        for name, p in self.params.items():
            if p.dim() == 0:
                raise Refused(f"{name} is a single number, which cannot be sharded: give it a dimension, torch.zeros(1)")

    def describe(self) -> dict[str, Any]:
        told = super().describe()
        return told | {"device": f"{told['device']}, {len(blocks(self.module))} blocks and the rest over {self.team.ranks} processes"}

    def attach(self, view: Any, places: list[memory.Place]) -> None:
        self.view = view
        self.watch()
        for place in places:  # of new memory no page is there until it is written: nobody makes the whole
            whole = self.params.pop(place.spec.name)
            self.replace(whole, nn.Parameter(torch.empty(whole.shape), requires_grad=not place.spec.frozen))
        del whole  # nor keeps what a function of the user's made
        self.cut()
        self.pieces = [self.piece(p) for p in places]

    def cut(self) -> None:
        mesh = dist.device_mesh.init_device_mesh(self.device.type, (self.team.ranks,))
        precision = MixedPrecisionPolicy()
        if self.mixed:
            precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
        for part in [*blocks(self.module), self.module]:
            fully_shard(part, mesh=mesh, mp_policy=precision)
            self.beat("sharding")

    def piece(self, place: memory.Place) -> Piece:
        p = self.module.get_parameter(place.spec.name)
        values = p.detach().to_local()  # type: ignore[attr-defined]
        frozen = place.spec.frozen
        return Piece(place, p, values, None if frozen else torch.zeros_like(values), None if frozen else torch.zeros_like(values))

    def watch(self) -> None:
        for name, m in self.module.named_modules():
            m.register_forward_hook(lambda *_, name=name: self.beat(f"forward {name}"))

    def part(self, at: int, place: memory.Place, rank: int) -> Tensor:
        """Returns one process's rows of a tensor in the shared memory."""
        lo, hi = rows(place.spec.shape, rank, self.team.ranks)
        inner = prod(place.spec.shape[1:])
        return self.host(at + lo * inner, (hi - lo) * inner)

    def exchange(self, what: str, take: bool) -> None:
        """Brings shards from the program's memory, or there."""
        rank, outside = self.team.rank, self.team.outside
        for piece in self.pieces:
            self.beat("shards from and to memory")
            for at, there in piece.parts(what):
                if self.team.is_far:
                    if there.numel():
                        self.relay(there, take)
                    continue
                here = self.part(at, piece.place, rank).view(there.shape)
                there.copy_(here) if take else here.copy_(there)
                for far in range(self.team.near, self.team.ranks) if rank == 0 else ():
                    if len(theirs := self.part(at, piece.place, far)):
                        dist.send(theirs, far, group=outside) if take else dist.recv(theirs, far, group=outside)

    def relay(self, there: Tensor, take: bool) -> None:
        """Does as exchange, through the leader."""
        if take:
            here = torch.empty(there.numel())
            dist.recv(here, 0, group=self.team.outside)
            there.copy_(here.view(there.shape))
        else:
            dist.send(there.cpu().flatten(), 0, group=self.team.outside)

    def take(self, what: list[str]) -> None:
        for m in self.module.modules():
            if isinstance(m, FSDPModule):
                m.reshard()  # what a measurement has left gathered is old now
        for kind in what:
            self.exchange(kind, take=True)

    def give(self) -> None:
        for kind in ("params", "grads", "moments"):
            self.exchange(kind, take=False)

    def loss(self, batch: dict[str, Any]) -> float:
        part, counts = share(batch, self.team.rank, self.team.ranks)
        return self.team.total(counts * super().loss(part))

    def gradient(self, batch: dict[str, Any], seed: int | None) -> float:
        part, counts = share(batch, self.team.rank, self.team.ranks)
        self.prepare(None if seed is None else seed * self.team.ranks + self.team.rank)
        for piece in self.pieces:
            piece.whole.grad = None
        loss = self.forward(part)
        (loss * (counts * self.team.ranks)).backward()  # FSDP takes the mean over ranks
        return self.team.total(counts * loss.item())

    def norm(self) -> float:
        own = torch.stack([torch.linalg.vector_norm(p.grad(), dtype=torch.float64) for p in self.pieces if p.first is not None])
        return self.team.total(own.square().sum().item()) ** 0.5

    @torch.no_grad()
    def move(self, h: optimizer.Hyper, scale: float) -> None:
        for p in self.pieces:
            if p.first is not None:
                self.beat("optimizer step")
                spec = p.place.spec
                t = optimizer.Moving(p.values, p.grad(), p.first, p.second, spec.hidden, spec.decays, self.direction_of(spec))
                optimizer.move(t, h, scale)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def direction_of(self, spec: memory.Spec) -> Callable[[Tensor], Tensor]:
        """Muon's step wants the whole matrix: every process gathers it, for as long as
        that takes, and finds its rows of the step."""
        lo, hi = rows(spec.shape, self.team.rank, self.team.ranks)

        def direction(own: Tensor) -> Tensor:
            each = -(-spec.shape[0] // self.team.ranks)
            padded = own.new_zeros(each, own.shape[1])
            padded[: hi - lo] = own
            whole = own.new_empty(each * self.team.ranks, own.shape[1])
            dist.all_gather_into_tensor(whole, padded)
            return optimizer.direction(whole[: spec.shape[0]])[lo:hi]

        return direction
