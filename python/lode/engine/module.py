"""The backend in PyTorch: trains any nn.Module on any device."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import custom, memory, optimizer
from .program import Program
from .wire import Refused

def choose_device(name: str) -> torch.device:
    """Returns the device of that name, the best there is for none."""
    mps = getattr(torch.backends, "mps", None)
    there = {"cuda": torch.cuda.is_available(), "mps": bool(mps and mps.is_available()), "cpu": True}
    if not name:
        name = next(n for n, is_there in there.items() if is_there)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise Refused(f"there is no device {name!r}; there are {', '.join(n for n, t in there.items() if t)}") from None
    if not there.get(device.type, False):
        raise Refused(f"PyTorch {torch.__version__} finds no {device.type} here; there are {', '.join(n for n, t in there.items() if t)}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Refused(f"there is no {name}, this machine has {torch.cuda.device_count()} CUDA devices")
    return device


class Module:
    """On the processor parameters, gradient and moments are the shared memory itself; on a
    device they are copies, which take and give bring up to date."""

    follows = False  # it computes gradients for another process, and moves nothing
    view: Any = None  # the shared memory

    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Callable[[str], None]):
        self.beat = beat
        self.device = choose_device(options["device"])
        if options["precision"] not in ("", "float32", "bf16"):
            raise Refused(f"there is no precision {options['precision']!r}; there are float32 and bf16")
        self.mixed = options["precision"] == "bf16"
        self.shared = self.device.type == "cpu" and not options["apart"]
        if self.device.type == "cpu":
            torch.set_num_threads(options["threads"])
        self.source = ""
        self.module: nn.Module
        if "stages" in model:
            with torch.device("meta"):
                self.module = Program(model, beat)
            self.loss_of: custom.Loss = lambda m, inputs, targets: m(inputs, targets)
            self.outputs_of: Callable[[Any, Tensor], Tensor] = lambda m, inputs: m(inputs)
            self.graded = True
            self.params = {t["name"]: self.module.get_parameter(t["name"]) for t in model["tensors"]}
        else:
            self.module, self.loss_of, self.source = custom.build(model)
            self.outputs_of = custom.outputs
            self.graded = not model["loss"]
            self.params = dict(self.module.named_parameters())

    def describe(self) -> dict[str, Any]:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return {
            "tensors": custom.describe(self.module) if self.source else [{"name": n, "shape": list(p.shape)} for n, p in self.params.items()],
            "source": self.source,
            "device": f"{name} (PyTorch {torch.__version__})",
            "shared": self.shared,
        }

    def values(self, view: Any, places: list[memory.Place]) -> None:
        """Writes the parameters, as the module has them, where attach would find them."""
        for place in places:
            there = torch.frombuffer(view, dtype=torch.float32, offset=memory.SIZE * place.params, count=len(place.spec))
            there.copy_(self.params[place.spec.name].detach().flatten())

    def attach(self, view: Any, places: list[memory.Place]) -> None:
        self.view = view
        self.pairs: dict[str, list[tuple[Tensor, Tensor]]] = {"params": [], "grads": [], "moments": []}
        self.moving: list[optimizer.Moving] = []
        for place in places:
            self.attach_one(self.params[place.spec.name], place)
        self.module.to(self.device)  # buffers; parameters are there
        self.watch()

    def host(self, start: int, count: int) -> Tensor:
        """Returns some of the shared memory."""
        if not count:
            return torch.empty(0)
        return torch.frombuffer(self.view, dtype=torch.float32, offset=memory.SIZE * start, count=count)

    def attach_one(self, p: nn.Parameter, place: memory.Place) -> None:
        old = p.shape  # of no dimensions, if it is one number

        def at(start: int, what: str) -> Tensor:
            # A tensor of its own, not a part of one for all: writing to one would count as
            # writing to the others, and autograd would find its values changed.
            here = self.host(start, len(place.spec)).view(old)
            there = here if self.shared else here.to(self.device, copy=True)
            self.pairs[what].append((here, there))
            return there

        values = torch.zeros(old, device=self.device) if self.follows and not self.shared else at(place.params, "params")
        p = nn.Parameter(values, requires_grad=not place.spec.frozen)
        self.replace(self.params[place.spec.name], p)
        self.params[place.spec.name] = p
        if place.first is None or place.second is None:
            return
        if self.follows:
            p.grad = torch.zeros_like(values)
            self.moving.append(optimizer.Moving(values, p.grad, None, None, place.spec.hidden, place.spec.decays))
            return
        p.grad = at(place.grads, "grads")
        self.moving.append(optimizer.Moving(values, p.grad, at(place.first, "moments"), at(place.second, "moments"), place.spec.hidden, place.spec.decays))

    def replace(self, old: nn.Parameter, new: nn.Parameter) -> None:
        """Puts a parameter in the place of another, in all modules that share it."""
        for m in self.module.modules():
            for name, p in list(m._parameters.items()):
                if p is old:
                    setattr(m, name, new)

    def watch(self) -> None:
        """Has work report that it goes on."""
        for name, m in self.module.named_modules():
            m.register_forward_hook(lambda *_, name=name: self.beat(f"forward {name}"))
        for name, p in self.params.items():
            if p.requires_grad:
                p.register_post_accumulate_grad_hook(lambda _, name=name: self.beat(f"backward {name}"))

    def take(self, what: list[str]) -> None:
        if not self.shared:
            for kind in what:
                for here, there in self.pairs[kind]:
                    there.copy_(here)

    def give(self) -> None:
        if not self.shared:
            for pairs in self.pairs.values():
                for here, there in pairs:
                    here.copy_(there)

    def loss(self, batch: dict[str, Any]) -> float:
        self.module.eval()
        with torch.no_grad():
            return self.forward(batch).item()

    def outputs(self, batch: dict[str, Any]) -> Tensor:
        self.module.eval()
        mixed = torch.autocast(self.device.type, torch.bfloat16) if self.mixed else contextlib.nullcontext()
        with torch.no_grad(), mixed:
            return self.outputs_of(self.module, self.tensor(batch, "inputs")).float()

    def predict(self, batch: dict[str, Any]) -> bytes:
        out = self.outputs(batch)
        if batch["inputs"]["ids"] is not None and out.dim() == 3:
            out = out[:, -1]
        return array("f", out.flatten().tolist()).tobytes()

    def grade(self, batch: dict[str, Any]) -> tuple[bytes, bytes]:
        if not self.graded:
            raise Refused("a loss of your own is one number for a batch, and grades no rows")
        out, targets = self.outputs(batch), self.tensor(batch, "targets")
        if targets.is_floating_point():
            losses = (out.reshape(targets.shape) - targets).square().reshape(batch["rows"], -1).mean(1)
            right = torch.zeros(batch["rows"], dtype=torch.bool)
        else:
            flat, at = out.flatten(0, -2), targets.flatten()
            losses, right = F.cross_entropy(flat, at, reduction="none"), flat.argmax(-1) == at
        return array("d", losses.tolist()).tobytes(), bytes(right.tolist())

    def gradient(self, batch: dict[str, Any], seed: int | None) -> float:
        """Leaves the gradient. A seed says that this is training: dropout draws from it."""
        self.prepare(seed)
        for t in self.moving:
            t.grad.zero_()
        loss = self.forward(batch)
        loss.backward()
        return loss.item()

    def prepare(self, seed: int | None) -> None:
        self.module.train(seed is not None)
        for m in self.module.modules():
            if isinstance(m, nn.RNNBase) and not m.dropout:
                m.train()  # cuDNN has no way back otherwise, and there is no other difference
        if seed is not None:
            torch.manual_seed(seed)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        mixed = torch.autocast(self.device.type, torch.bfloat16) if self.mixed else contextlib.nullcontext()
        with mixed:
            loss = self.loss_of(self.module, self.tensor(batch, "inputs"), self.tensor(batch, "targets"))
        if loss.dim() != 0:
            raise Refused(f"the loss has shape {list(loss.shape)}, it must be one number, the mean")
        return loss

    def tensor(self, batch: dict[str, Any], which: str) -> Tensor:
        a = batch[which]
        raw, kind = (a["reals"], torch.float32) if a["ids"] is None else (a["ids"], torch.int32)
        t = torch.frombuffer(bytearray(raw), dtype=kind).view(batch["rows"], *a["shape"]).to(self.device)
        return t if kind.is_floating_point else t.long()

    def device_peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 0

    def norm(self) -> float:
        return torch.stack([torch.linalg.vector_norm(t.grad) for t in self.moving]).norm().item()

    @torch.no_grad()
    def move(self, h: optimizer.Hyper, scale: float) -> None:
        for t in self.moving:
            self.beat("optimizer step")
            optimizer.move(t, h, scale)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # a fault of the device is one of this step
