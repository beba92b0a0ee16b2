"""Models of a user's own: a function that makes an nn.Module, and one that gives its loss."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .wire import Refused

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def default_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of the logits model(inputs), [..., classes], against targets
    that are ids; the mean squared difference to targets that are reals."""
    out = model(inputs)
    out = getattr(out, "logits", out)  # as Hugging Face's models answer
    if targets.is_floating_point():
        return F.mse_loss(out.float().reshape(targets.shape), targets)
    return F.cross_entropy(out.float().flatten(0, -2), targets.flatten())


def find(name: str) -> Callable[..., Any]:
    """Returns the function MODULE:FUNCTION; modules are looked for in the working
    directory too."""
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as missing:
        if missing.name is None or not (module + ".").startswith(missing.name + "."):
            raise
        raise Refused(f"there is no Python module {module!r} in {os.getcwd()} or where {sys.executable} looks (PYTHONPATH)") from None
    except AttributeError:
        raise Refused(f"module {module!r} has no {function!r}") from None
    if not callable(found):
        raise Refused(f"{name} is no function")
    return found


def source_of(factory: Callable[..., Any]) -> tuple[str, str]:
    """Returns the file that a function is in, and its digest."""
    path = inspect.getsourcefile(factory)
    if path is None:
        raise Refused("the model's function is in no file")
    with open(path, "rb") as file:
        return path, hashlib.sha256(file.read()).hexdigest()


def build(model: dict[str, Any]) -> tuple[nn.Module, Loss, str]:
    """Makes the module of a model, if its source is the one that is asked for; returns
    its loss and the digest of its source as well."""
    factory = find(model["factory"])
    path, source = source_of(factory)
    if model["source"] and model["source"] != source:
        raise Refused(f"{path} is not the file this run trains: its SHA-256 is {source}, the run's is {model['source']}")
    loss = find(model["loss"]) if model["loss"] else default_loss
    torch.manual_seed(0)
    module = factory()
    if not isinstance(module, nn.Module):
        raise Refused(f"{model['factory']} returned a {type(module).__name__}, not a torch.nn.Module")
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._NormBase) and part.track_running_stats:
            raise Refused(
                f"{name} keeps running statistics, which are no parameters and not exchanged: "
                "use another norm (GroupNorm, LayerNorm), or track_running_stats=False"
            )
    return module.float(), loss, source


def describe(module: nn.Module) -> list[dict[str, Any]]:
    """Returns what others must know of the parameters: name, shape, what they are for, and
    around which value, with which spread, they begin."""
    embeddings = {p for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    matrices = [p for m in module.modules() if not isinstance(m, nn.Embedding) for p in m.parameters(recurse=False) if p.dim() > 1]
    last = matrices[-1] if matrices else None  # makes the outputs
    out = []
    for name, p in module.named_parameters():
        values = p.detach().double()
        mean = 0.0 if p.dim() > 1 else values.mean().item()
        constant = bool((values == values.flatten()[0]).all())
        out.append(
            {
                "name": name,
                "shape": list(p.shape) or [1],
                "embedding": any(p is e for e in embeddings),
                "hidden": any(p is m for m in matrices) and p is not last,
                "value": values.flatten()[0].item() if constant else mean,
                "spread": 0.0 if constant else 3**0.5 * (values - mean).square().mean().sqrt().item(),
            }
        )
    return out
