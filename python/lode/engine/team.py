"""Several processes that are one engine: how they meet, are called, and agree.

The process that the program speaks to leads, and has rank 0. Those of its machine are its
children and come next; those of other machines (see follow) come last. They meet in a
store: a file in a folder that nobody else may enter, or, if there are other machines, a
server at an address of the leader's. From then on every call goes to all of them over Gloo
and all of them do the same, each with its part. Nothing that travels is unpickled.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from . import cbor, memory, wire
from .wire import Agreed, Refused

T = TypeVar("T")
Beat = Callable[[str], None]

WORK = timedelta(minutes=10)  # for all to come, and for any one exchange
IDLE = timedelta(days=20)  # between two calls; Gloo counts milliseconds in 31 bits
MAX_FAR = 4096  # processes of other machines
PAUSE = 0.1  # seconds between two looks into the store


def files() -> str:
    """Returns the SHA-256 of this engine's own files, which must be the same everywhere."""
    folder = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".py")):
        with open(os.path.join(folder, name), "rb") as file:
            digest.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


class Team:
    """The processes, once all are there. local is this one's number on its machine, near
    how many are on the leader's."""

    def __init__(self, store: dist.Store, rank: int, ranks: int, near: int, local: int, device: torch.device):
        self.rank, self.ranks, self.near, self.local = rank, ranks, near, local
        if device.type == "cuda":
            torch.cuda.set_device(local)
        backend = {"cuda": "cpu:gloo,cuda:nccl", "cpu": "gloo"}[device.type]
        dist.init_process_group(backend, store=dist.PrefixStore("group", store), rank=rank, world_size=ranks, timeout=WORK)
        self.calls = dist.new_group(backend="gloo", timeout=IDLE)
        outside = [0, *range(near, ranks)]
        self.outside = dist.new_group(outside, backend="gloo", timeout=WORK) if near < ranks else None

    @property
    def is_far(self) -> bool:
        """Whether this process is on another machine, without the program's memory."""
        return self.rank >= self.near

    def tell(self, call: dict[str, Any]) -> None:
        """Calls all others."""
        self.pass_on(cbor.dumps(call), 0)

    def hear(self) -> dict[str, Any]:
        """Returns the leader's next call."""
        return cbor.loads(self.pass_on(b"", 0))

    def pass_on(self, body: bytes, source: int) -> bytes:
        """Gives everybody what one of them has."""
        size = torch.tensor([len(body)])
        dist.broadcast(size, source, group=self.calls)
        if not 0 <= size.item() <= wire.MAX_FRAME:
            raise cbor.Malformed(f"a call of {size.item()} bytes, at most {wire.MAX_FRAME} are allowed")
        content = torch.frombuffer(bytearray(body), dtype=torch.uint8) if body else torch.empty(int(size.item()), dtype=torch.uint8)
        dist.broadcast(content, source, group=self.calls)
        return content.numpy().tobytes()

    def total(self, x: float) -> float:
        t = torch.tensor([x], dtype=torch.float64)
        dist.all_reduce(t, group=self.calls)
        return t.item()

    def of_leader(self, x: float) -> float:
        t = torch.tensor([x], dtype=torch.float64)
        dist.broadcast(t, 0, group=self.calls)
        return t.item()

    def together(self, f: Callable[[], T]) -> T:
        """Does in every process what is no exchange; if it fails in one, it is refused in all."""
        failed, result = b"", None
        try:
            result = f()
        except Exception as e:  # a model of the user's own may fail in any way
            if not isinstance(e, Refused):
                traceback.print_exc()
            failed = (str(e) if isinstance(e, Refused) else f"{type(e).__name__}: {e}").encode()[:1000] or b"?"
        flags = torch.zeros(self.ranks, dtype=torch.int32)
        flags[self.rank] = bool(failed)
        dist.all_reduce(flags, group=self.calls)
        if flags.any():
            first = int(flags.nonzero()[0])
            said = self.pass_on(failed if first == self.rank else b"", first).decode(errors="replace")
            raise Agreed(said if first == 0 else f"in process {first}: {said}")
        return result  # type: ignore[return-value]


def share(batch: dict[str, Any], rank: int, ranks: int) -> tuple[dict[str, Any], float]:
    """Returns the rows of one process, and what their mean counts in that of all. Who
    has none gets the first row, which counts nothing: it must compute like the others."""
    rows = batch["rows"]
    lo, hi = rows * rank // ranks, rows * (rank + 1) // ranks
    counts = (hi - lo) / rows
    if lo == hi:
        lo, hi = 0, 1
    part: dict[str, Any] = {"rows": hi - lo}
    for which in ("inputs", "targets"):
        a = batch[which]
        part[which] = {"shape": a["shape"]} | {
            kind: a[kind] and a[kind][len(a[kind]) // rows * lo : len(a[kind]) // rows * hi] for kind in ("ids", "reals")
        }
    return part, counts


# How they meet. In the store lie "open": what the leader says of itself; "far": how many
# come from elsewhere; "seat R": how often rank R was taken; "here R": empty, or why it does
# not come; and "go": how many there are, 0 if not all will come.


def address(meet: str) -> tuple[str, int]:
    host, _, port = meet.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Refused(f"{meet!r} is no place to meet: give HOST:PORT, an address of the first machine and a free port")
    return host.strip("[]"), int(port)


def use_interface(host: str | None) -> None:
    """Has Gloo and NCCL connect from where the leader is reached, unless the user says from
    where; from the loopback interface alone if there is one machine."""
    if sys.platform != "linux":
        return
    import fcntl

    name = "lo"
    if host is not None:
        family, _, _, _, there = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        if family != socket.AF_INET:
            return
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.connect(there)  # sends nothing
            own = socket.inet_aton(s.getsockname()[0])

            def has(interface: str) -> bool:
                try:
                    return fcntl.ioctl(s, 0x8915, interface.encode()[:15].ljust(40, b"\0"))[20:24] == own  # SIOCGIFADDR
                except OSError:
                    return False  # it has no address

            name = next((i for _, i in socket.if_nameindex() if has(i)), "")
    if name:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "=" + name)


def await_keys(store: dist.Store, keys: list[str], beat: Beat, doing: str) -> None:
    end = time.monotonic() + WORK.total_seconds()
    while not store.check(keys):
        if time.monotonic() > end:
            raise Refused(f"gave up {doing} after {WORK}")
        beat(doing)
        time.sleep(PAUSE)


def end_with(child: subprocess.Popen[bytes]) -> None:
    """Ends this process with another: who waits for it would wait for ever."""

    def watch() -> None:
        code = child.wait()
        print(f"process {child.pid} of this engine ended with {code}", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def spawn(*args: str, **how: Any) -> subprocess.Popen[bytes]:
    """Starts a follower; it ends when its standard input does."""
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = "import sys; sys.path[0] = sys.argv.pop(1); from lode.engine import follow; follow.follow(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-u", "-c", code, folder, *args], stdin=subprocess.PIPE, **how)


def lead(options: dict[str, Any], factory: str, device: torch.device, beat: Beat) -> Team:
    """Starts the followers of this machine, waits for those of others, and returns the
    team. factory is the one of a user's model, which followers are told apart from the
    calls, so that no call can have them run another."""
    near, meet = options["ranks"], options["meet"]
    if device.type not in ("cuda", "cpu"):
        raise Refused(f"several processes need GPUs of NVIDIA or the processor, not {device.type}")
    there = torch.cuda.device_count() if device.type == "cuda" else near
    if near > there:
        raise Refused(f"{near} processes need as many GPUs, this machine has {there}")
    store: dist.Store
    if meet:
        host, port = address(meet)
        use_interface(host)
        try:
            listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as e:
            raise Refused(f"cannot wait for others at {meet}: {e}") from None
        store = dist.TCPStore(host, port, is_master=True, timeout=WORK, wait_for_workers=False, master_listen_fd=listener.detach())
    else:
        use_interface(None)
        meet = os.path.join(os.environ["LODE_FOLDER"], "meet")
        store = dist.FileStore(meet, near)
    for rank in range(1, near):
        end_with(spawn(meet, str(rank), factory, pass_fds=(memory.DESCRIPTOR,)))
    store.set("open", cbor.dumps({"files": files(), "near": near, "device": device.type}))
    ranks = near
    if options["meet"]:
        print(f"waiting at {meet} for processes of other machines", file=sys.stderr, flush=True)
        await_keys(store, ["far"], beat, f"waiting at {meet} for processes of other machines")
        far = store.get("far")
        if not far.isdigit() or not 0 < int(far[:9]) <= MAX_FAR:
            raise Refused(f"{far[:20]!r} processes of other machines want to join, it can be 1 to {MAX_FAR}")
        ranks += int(far)
    await_keys(store, [f"here {r}" for r in range(1, ranks)], beat, f"waiting for {ranks} processes")
    for r in range(1, ranks):
        if said := store.get(f"here {r}"):
            store.set("go", "0")
            raise Refused(f"process {r} does not come: {said.decode(errors='replace')}")
    store.set("go", str(ranks))
    return Team(store, 0, ranks, near, 0, device)

