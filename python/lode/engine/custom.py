"""Models of a user's own: a function that makes an nn.Module, and one that gives its loss."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .wire import Refused

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """What a model makes of inputs."""
    out = model(inputs)
    return getattr(out, "logits", out)  # as Hugging Face's models answer


def default_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of the logits model(inputs), [..., classes], against targets
    that are ids; the mean squared difference to targets that are reals."""
    out = outputs(model, inputs)
    if targets.is_floating_point():
        return F.mse_loss(out.float().reshape(targets.shape), targets)
    return F.cross_entropy(out.float().flatten(0, -2), targets.flatten())


def locate(name: str) -> ModuleSpec:
    """Returns where the file of a module is, and runs nothing of it or of the packages
    that it is in. The working directory is looked in too."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that Python made itself
        spec = None
    for part in rest:
        if spec is None:
            break
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, spec.submodule_search_locations or [])
    if spec is None:
        raise Refused(f"there is no Python module {name!r} in {os.getcwd()} or where {sys.executable} looks (PYTHONPATH)")
    if not isinstance(spec.loader, SourceFileLoader):
        raise Refused(f"module {name!r} is in no file of Python source")
    return spec


def load(name: str, want: str) -> tuple[ModuleType, str]:
    """Runs the file of a module, if it is the one of that SHA-256 or none is asked for;
    returns its digest as well. What is run are the bytes that were compared."""
    spec = locate(name)
    assert isinstance(spec.loader, SourceFileLoader)
    path = spec.loader.path
    with open(path, "rb") as file:
        code = file.read()
    source = hashlib.sha256(code).hexdigest()
    if want and want != source:
        raise Refused(f"{path} is not the file this run trains: its SHA-256 is {source}, the run's is {want}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as an import does, for what looks itself up
    exec(spec.loader.source_to_code(code, path), module.__dict__)
    return module, source


def function_of(module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if found is None:
        raise Refused(f"module {module.__name__!r} has no {name!r}")
    if not callable(found):
        raise Refused(f"{module.__name__}:{name} is no function")
    return found


def build(model: dict[str, Any]) -> tuple[nn.Module, Loss, str]:
    """Makes the module of a model, if its source is the one that is asked for; returns
    its loss and the digest of its source as well."""
    file, _, made_by = model["factory"].partition(":")
    loss_file, _, loss_by = model["loss"].partition(":")
    if model["loss"] and loss_file != file:
        raise Refused(f"the loss {model['loss']} must be in the module of {model['factory']}, whose file is checked")
    code, source = load(file, model["source"])
    factory = function_of(code, made_by)
    loss = function_of(code, loss_by) if loss_by else default_loss
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
