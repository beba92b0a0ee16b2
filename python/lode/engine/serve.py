"""The calls of the program, one after another, and which backend answers them.

    open    {"backend", "options", "model"}: the layout, as the backend has it
    values  {"length", "tensors"}: the parameters as the user's function made them go to
            the shared memory, of so many values
    attach  {"length", "tensors"}: maps the shared memory, of so many values; what of the
            layout is frozen, what is Muon's
    loss, gradient {"batch", "taken"}: {"loss"}; gradient leaves the gradient
    step    {"batch", "taken", "hyper"}: {"loss"}; moves parameters and moments
    predict {"batch", "taken"}: {"values"}, float32, what the model makes of each row, of a
            series after its last step; targets are not looked at
    grade   {"batch", "taken"}: {"losses", "right"}, float64 and a byte for each target
            or row
    usage   {}: {"peak", "cpu"}: most bytes held so far, those of a device too, and
            nanoseconds of processors used
    give    {"taken"}: what the backend keeps elsewhere goes to shared memory

"taken" names what the program wrote to shared memory since: "params", "moments".
"""

from __future__ import annotations

import math
import os
import resource
import sys
import traceback
from typing import Any, Protocol

from . import memory, wire
from .optimizer import Hyper
from .wire import Refused

VERSION = 1


class Backend(Protocol):
    def describe(self) -> dict[str, Any]: ...
    def attach(self, view: Any, places: list[memory.Place]) -> None: ...
    def take(self, what: list[str]) -> None: ...
    def give(self) -> None: ...
    def loss(self, batch: dict[str, Any]) -> float: ...
    def gradient(self, batch: dict[str, Any], seed: int | None) -> float: ...
    def predict(self, batch: dict[str, Any]) -> bytes: ...
    def grade(self, batch: dict[str, Any]) -> tuple[bytes, bytes]: ...
    def norm(self) -> float: ...
    def device_peak(self) -> int: ...
    def move(self, h: Hyper, scale: float) -> None: ...


def open_backend(call: dict[str, Any], beat: Any) -> Backend:
    name = call["backend"]
    try:
        if name == "numpy":
            from .reference import Reference as chosen
        elif name == "torch" and call["options"]["ranks"] > 1:
            from . import spread

            chosen = spread.Follower if call["options"]["rank"] else spread.Leader
        elif name == "torch":
            from .module import Module as chosen
        else:
            raise Refused(f"there is no backend {name!r}; there are torch and numpy")
    except ModuleNotFoundError as missing:
        if missing.name not in ("numpy", "torch"):
            raise
        raise Refused(
            f"{sys.executable} has no {missing.name}: install it ({sys.executable} -m pip install {missing.name}) "
            "or name a Python that has it"
        ) from None
    return chosen(call["model"], call["options"], beat)


class Server:
    def __init__(self, way: wire.Wire, descriptor: int) -> None:
        self.way, self.descriptor = way, descriptor
        self.backend: Backend | None = None

    def call(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if name == "open":
            self.backend = open_backend(args, self.way.beat)
            return self.backend.describe()
        b = self.backend
        if b is None:
            raise Refused("nothing is open")
        if name in ("attach", "values"):
            tensors = [memory.Spec(t["name"], tuple(t["shape"]), t["frozen"], t["hidden"], t["decays"]) for t in args["tensors"]]
            where, length = memory.places(tensors)
            if name == "values":
                b.values(memory.attach(self.descriptor, args["length"]), where)
                return {}
            if args["length"] != length:
                raise Refused(f"the program shares {args['length']} values, the model needs {length}")
            b.attach(memory.attach(self.descriptor, length), where)
        elif name == "receive":  # from the process that leads, see spread
            b.receive()
        elif name == "usage":
            u = resource.getrusage(resource.RUSAGE_SELF)
            unit = 1 if sys.platform == "darwin" else 1024
            return {"peak": u.ru_maxrss * unit + b.device_peak(), "cpu": int((u.ru_utime + u.ru_stime) * 1e9)}
        elif name == "give":
            b.take(args["taken"])  # or what is given would hide it
            b.give()
        elif name == "predict":
            b.take(args["taken"])
            return {"values": b.predict(args["batch"])}
        elif name == "grade":
            b.take(args["taken"])
            losses, right = b.grade(args["batch"])
            return {"losses": losses, "right": right}
        elif name in ("loss", "gradient", "step"):
            return measure(b, name, args)
        else:
            raise Refused(f"there is no call {name!r}")
        return {}


def measure(b: Backend, name: str, args: dict[str, Any]) -> dict[str, float]:
    """The loss, and before a step the gradient's norm; the step is taken if both are finite."""
    b.take(args["taken"])
    if name == "loss":
        loss = b.loss(args["batch"])
    else:
        loss = b.gradient(args["batch"], args["hyper"] and args["hyper"]["number"])
    norm = b.norm() if name == "step" and math.isfinite(loss) else 0.0
    if name == "step" and math.isfinite(loss) and math.isfinite(norm):
        h = Hyper(**args["hyper"])
        try:
            b.move(h, h.scale(norm))
        except Exception:  # some of it moved and some did not: nothing here is worth keeping
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    return {"loss": loss, "norm": norm}


def serve(way: wire.Wire, descriptor: int) -> None:
    """Answers calls until the program is gone."""
    way.write({"hello": VERSION, "python": sys.version.split()[0]})
    server = Server(way, descriptor)
    while (c := way.read()) is not None:
        try:
            result = server.call(c["call"], c["args"])
        except Refused as refused:
            way.answer(error=str(refused))
        except Exception as unforeseen:  # a model of the user's own may fail in any way
            traceback.print_exc()
            way.answer(error=f"{type(unforeseen).__name__}: {unforeseen}")
        else:
            way.answer(result=result)
