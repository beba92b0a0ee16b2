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

Where several processes are the engine (see team), each call goes to all of them.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from . import memory, wire
from .optimizer import Hyper
from .wire import Agreed, Refused

if TYPE_CHECKING:
    from .team import Team

T = TypeVar("T")

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


@contextlib.contextmanager
def libraries() -> Iterator[None]:
    """Says in words what a Python lacks."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in ("numpy", "torch"):
            raise
        raise Refused(
            f"{sys.executable} has no {missing.name}: install it ({sys.executable} -m pip install {missing.name}) "
            "or name a Python that has it"
        ) from None


def open_backend(call: dict[str, Any], beat: Callable[[str], None], team: Team | None = None) -> Backend:
    name, model, options = call["backend"], call["model"], call["options"]
    with libraries():
        if name == "numpy":
            from .reference import Reference

            return Reference(model, options, beat)
        if name != "torch":
            raise Refused(f"there is no backend {name!r}; there are torch and numpy")
        if team is None:
            from .module import Module

            return Module(model, options, beat)
        if options["shard"]:
            from .shard import Shard

            return Shard(model, options, beat, team)
        from .spread import Spread

        return Spread(model, options, beat, team)


class Server:
    """Carries calls out. factory is the only function of a user's that another process
    may ask for; it binds those who follow."""

    def __init__(self, beat: Callable[[str], None], descriptor: int | None, team: Team | None = None, factory: str = "") -> None:
        self.beat, self.descriptor, self.team, self.factory = beat, descriptor, team, factory
        self.backend: Backend | None = None

    def call(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carries a call out, in all processes if there are several."""
        if name == "open" and self.team is None and args["backend"] == "torch":
            self.team = self.gather(args["options"], args["model"].get("factory", ""))
        if self.team is None:
            return self.work(name, args)
        self.team.tell({"call": name, "args": args})
        return self.work(name, args)

    def gather(self, options: dict[str, Any], factory: str) -> Team | None:
        if options["ranks"] == 1 and not options["meet"] and not options["shard"]:
            return None
        with libraries():
            from . import module, team
        return team.lead(options, factory, module.choose_device(options["device"]), self.beat)

    def work(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if self.team is None:
            return self.do(name, args)
        result = self.do(name, args)
        self.team.together(lambda: None)  # what others wrote to the memory is there
        return result

    def open(self, args: dict[str, Any]) -> Backend:
        asked = args["model"].get("factory", "")
        if self.team is not None and self.team.rank and asked != self.factory:
            raise Refused(f"the run trains {asked}, a model in Python: get its file, read it, and say --model {asked}")
        return open_backend(args, self.beat, self.team)

    def do(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if name == "open":
            self.backend = self.together(lambda: self.open(args))
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
            b.attach(None if self.descriptor is None else memory.attach(self.descriptor, length), where)
        elif name == "usage":
            u = resource.getrusage(resource.RUSAGE_SELF)
            unit = 1 if sys.platform == "darwin" else 1024
            peak, cpu = u.ru_maxrss * unit + b.device_peak(), int((u.ru_utime + u.ru_stime) * 1e9)
            return {"peak": self.total(peak), "cpu": self.total(cpu)}
        elif name == "give":
            b.take(args["taken"])  # or what is given would hide it
            b.give()
        elif name == "predict":
            b.take(args["taken"])
            return {"values": self.together(lambda: b.predict(args["batch"]))}
        elif name == "grade":
            b.take(args["taken"])
            losses, right = self.together(lambda: b.grade(args["batch"]))
            return {"losses": losses, "right": right}
        elif name in ("loss", "gradient", "step"):
            return measure(b, name, args)
        else:
            raise Refused(f"there is no call {name!r}")
        return {}

    def together(self, f: Callable[[], T]) -> T:
        return f() if self.team is None else self.team.together(f)

    def total(self, x: int) -> int:
        return x if self.team is None else int(self.team.total(x))


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
    server = Server(way.beat, descriptor)
    while (c := way.read()) is not None:
        try:
            result = server.call(c["call"], c["args"])
        except Exception as e:  # a model of the user's own may fail in any way
            if not isinstance(e, Refused):
                traceback.print_exc()
            if server.team is not None and not isinstance(e, Agreed):
                print(f"{type(e).__name__}: {e}; the other processes do not know", file=sys.stderr, flush=True)
                os._exit(1)
            way.answer(error=str(e) if isinstance(e, Refused) else f"{type(e).__name__}: {e}")
        else:
            way.answer(result=result)
