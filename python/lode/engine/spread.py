"""The whole model in several processes, each with some of the rows.

Gradients are added up in the leader (NCCL on GPUs, Gloo on processors), and it alone moves
the parameters: on processors of its machine the others see them in the program's memory, to
devices and other machines they are broadcast.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from . import optimizer
from .module import Module
from .team import Beat, Team, share


class Spread(Module):
    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Beat, team: Team):
        super().__init__(model, options, beat)
        self.team, self.follows = team, team.rank > 0
        # Who gets the parameters from the leader: on processors those elsewhere, if the rest share memory.
        self.copies = team.outside if self.shared else dist.group.WORLD
        self.shared = self.shared and not team.is_far
        if self.device.type == "cuda":
            self.device = torch.device("cuda", team.local)

    def receive(self, tensors: Iterable[Tensor]) -> None:
        """Brings what the leader has to those who do not see it."""
        if self.copies is not None and not (self.follows and self.shared):
            for t in tensors:
                dist.broadcast(t, 0, group=self.copies)

    def take(self, what: list[str]) -> None:
        if not self.follows:
            super().take(what)
        if "params" in what:
            self.receive(p.data for p in self.params.values())

    def give(self) -> None:
        if not self.follows:
            super().give()

    def loss(self, batch: dict[str, Any]) -> float:
        part, counts = share(batch, self.team.rank, self.team.ranks)
        own = super().loss
        return self.team.total(counts * self.team.together(lambda: own(part)))

    def gradient(self, batch: dict[str, Any], seed: int | None) -> float:
        part, counts = share(batch, self.team.rank, self.team.ranks)
        own = super().gradient
        loss = self.team.together(lambda: own(part, None if seed is None else seed * self.team.ranks + self.team.rank))
        flat = torch.cat([t.grad.flatten() for t in self.moving]).mul_(counts)
        dist.reduce(flat, 0)
        for t, sums in zip(self.moving, flat.split([t.grad.numel() for t in self.moving]), strict=True):
            t.grad.copy_(sums.view_as(t.grad))
        return self.team.total(counts * loss)

    def norm(self) -> float:
        return self.team.of_leader(0.0 if self.follows else super().norm())

    def move(self, h: optimizer.Hyper, scale: float) -> None:
        if not self.follows:
            super().move(h, scale)
        self.receive(t.values for t in self.moving)
