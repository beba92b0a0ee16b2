"""One model on several devices of a machine: each process takes a share of the rows.

The process that the program speaks to leads. It starts the others, which run the same
loop, and calls them as it is called; all of them map the program's memory. Gradients are
added up by torch.distributed (NCCL on GPUs, Gloo on processors), and the leader alone
moves the parameters: on processors the others see them in the memory, to devices they are
broadcast.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from . import cbor, memory, optimizer
from .module import Module
from .wire import Refused


def meet(rank: int, ranks: int, device: torch.device, port: int) -> None:
    """Joins the processes; returns once all are there."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=ranks
    )


class Member(Module):
    """Computes the gradient of its rows and adds it to the leader's."""

    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Callable[[str], None]):
        self.rank, self.ranks = options["rank"], options["ranks"]
        super().__init__(model, options, beat)
        if self.device.type == "cuda":
            self.device = torch.device("cuda", self.rank)

    def gradient(self, batch: dict[str, Any], seed: int | None) -> float:
        loss = 0.0
        if batch["rows"]:
            loss = super().gradient(batch, None if seed is None else seed * self.ranks + self.rank)
        for t in self.moving:
            t.grad.mul_(batch["share"]) if batch["rows"] else t.grad.zero_()
        flat = torch.cat([t.grad.flatten() for t in self.moving])
        dist.reduce(flat, 0)
        if self.rank == 0:
            for t, part in zip(self.moving, flat.split([t.grad.numel() for t in self.moving]), strict=True):
                t.grad.copy_(part.view_as(t.grad))
        return loss

    def loss(self, batch: dict[str, Any]) -> float:
        return super().loss(batch) if batch["rows"] else 0.0

    def receive(self) -> None:
        """Brings the parameters that the leader moved."""
        for t in self.moving:
            dist.broadcast(t.values, 0)


class Follower(Member):
    follows = True

    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Callable[[str], None]):
        super().__init__(model, options, beat)
        meet(self.rank, self.ranks, self.device, options["port"])


class Leader(Member):
    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Callable[[str], None]):
        super().__init__(model, options, beat)
        there = torch.cuda.device_count() if self.device.type == "cuda" else self.ranks
        if self.ranks > there:
            raise Refused(f"{self.ranks} processes need as many GPUs, this machine has {there}")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.peers = [Peer() for _ in range(1, self.ranks)]
        for rank, p in enumerate(self.peers, 1):
            p.send("open", {"backend": "torch", "model": model, "options": options | {"rank": rank, "port": port}})
        meet(0, self.ranks, self.device, port)
        for p in self.peers:
            if "error" in (a := p.receive()):
                raise Refused(f"in another process: {a['error']}")

    def attach(self, view: Any, places: list[memory.Place]) -> None:
        super().attach(view, places)
        tensors = [dataclasses.asdict(p.spec) for p in places]
        self.ask("attach", [{"tensors": tensors, "length": len(view) // memory.SIZE}] * len(self.peers))
        self.taken: list[str] = []

    def ask(self, name: str, args: list[dict[str, Any]], meanwhile: Callable[[], Any] = lambda: None) -> tuple[Any, list[Any]]:
        """Calls all others, does this process's part, and returns both results."""
        for p, a in zip(self.peers, args, strict=True):
            p.send(name, a)
        try:
            own = meanwhile()
        except Exception:  # the others wait for what will not come
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        answers = [p.receive() for p in self.peers]
        for a in answers:
            if "error" in a:
                raise Refused(f"in another process: {a['error']}")
        return own, [a["result"] for a in answers]

    def take(self, what: list[str]) -> None:
        super().take(what)
        self.taken = self.taken or [w for w in what if w == "params"]  # until the others have taken it too

    def spread(self, name: str, batch: dict[str, Any], seed: int | None, own: Callable[[dict[str, Any]], float]) -> float:
        shares = split(batch, self.ranks)
        hyper = None if seed is None else {"number": seed}
        args = [{"batch": b, "taken": self.taken, "hyper": hyper} for b in shares[1:]]
        first, others = self.ask(name, args, lambda: own(shares[0]))
        self.taken = []
        return sum(b["share"] * x for b, x in zip(shares, [first, *(o["loss"] for o in others)], strict=True))

    def loss(self, batch: dict[str, Any]) -> float:
        return self.spread("loss", batch, None, super().loss)

    def gradient(self, batch: dict[str, Any], seed: int | None) -> float:
        own = super().gradient
        return self.spread("gradient", batch, seed, lambda b: own(b, seed))

    def move(self, h: optimizer.Hyper, scale: float) -> None:
        super().move(h, scale)
        if not self.shared:
            self.ask("receive", [{}] * len(self.peers), self.receive)


def split(batch: dict[str, Any], ranks: int) -> list[dict[str, Any]]:
    """Cuts a batch by rows; "share" is what each part counts in the mean."""
    rows, out = batch["rows"], []
    for r in range(ranks):
        lo, hi = rows * r // ranks, rows * (r + 1) // ranks
        part: dict[str, Any] = {"rows": hi - lo, "share": (hi - lo) / rows}
        for which in ("inputs", "targets"):
            a = batch[which]
            part[which] = {"shape": a["shape"]} | {
                kind: a[kind] and a[kind][len(a[kind]) // rows * lo : len(a[kind]) // rows * hi] for kind in ("ids", "reals")
            }
        out.append(part)
    return out


class Peer:
    """Another process, called as the program calls this one."""

    def __init__(self) -> None:
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.process = subprocess.Popen(
            [sys.executable, "-u", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(memory.DESCRIPTOR,)
        )
        threading.Thread(target=self.watch, daemon=True).start()
        self.frame()  # its hello

    def watch(self) -> None:
        """Ends this process with the other: who waits for it would wait for ever."""
        code = self.process.wait()
        print(f"process {self.process.pid} of this engine ended with {code}", file=sys.stderr, flush=True)
        os._exit(1)

    def send(self, name: str, args: dict[str, Any]) -> None:
        body = cbor.dumps({"id": 1, "call": name, "args": args})
        assert self.process.stdin is not None
        self.process.stdin.write(len(body).to_bytes(4, "little") + body)
        self.process.stdin.flush()

    def frame(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        head = self.process.stdout.read(4)
        body = self.process.stdout.read(int.from_bytes(head, "little"))
        return cbor.loads(body) if body else {"error": "it ended"}

    def receive(self) -> dict[str, Any]:
        """Returns the answer to the last call."""
        while "progress" in (answer := self.frame()):
            pass
        return answer
