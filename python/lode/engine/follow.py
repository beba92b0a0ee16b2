"""A process that follows: it joins a leader's team and does what the leader does.

On the leader's machine the leader starts it. On another machine its user does, once for
each GPU, best by torchrun:

    torchrun --nproc-per-node 8 -m lode.engine.follow --meet HOST:PORT [--model MODULE:FUNCTION]

HOST:PORT is what the leader's program was told with --meet; torchrun's RANK, LOCAL_RANK and
WORLD_SIZE say which and how many these are. It follows one leader after another, until it
is stopped or refused.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any

REFUSED = 2  # the exit code that says: do not try again


def main() -> None:
    """Keeps a follower: each leader gets a new process, since a lost one leaves ruins."""
    from . import team

    p = argparse.ArgumentParser(prog="python -m lode.engine.follow", description="Gives this machine's GPUs to the engine of a lode program on another.")
    p.add_argument("--meet", required=True, metavar="HOST:PORT", help="what that program was told with --meet")
    p.add_argument("--model", default="", metavar="MODULE:FUNCTION", help="run the Python model of this name, which the run trains")
    said = p.parse_args()
    while (code := team.spawn(said.meet, "", said.model).wait()) != REFUSED:
        print(f"a follower of {said.meet} ended with {code}, another begins", file=sys.stderr, flush=True)
        time.sleep(1)
    sys.exit(1)


def follow(meet: str, rank: str, factory: str) -> None:
    """Follows one leader. meet is its address, or a file on its machine, where rank is
    this one's number there; factory is the one user's function that may be run."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    from .wire import Refused

    try:
        obey(meet, int(rank) if rank else None, factory)
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr, flush=True)
        os._exit(REFUSED)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def obey(meet: str, near: int | None, factory: str) -> None:
    import torch

    from . import memory, module, serve, team
    from .wire import Agreed, Refused

    store, said = find(meet)
    here = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1"), os.environ.get("LOCAL_RANK", "0")
    rank, local = (near, near) if near is not None else (said["near"] + int(here[0]), int(here[2]))
    if store.add(f"seat {rank}", 1) > 1:
        print(f"there is a process {rank} already: start all but the first machine's with one torchrun", file=sys.stderr, flush=True)
        os._exit(1)
    try:
        if said["files"] != team.files():
            raise Refused("its engine has other files: have the same version of lode on all machines")
        device = module.choose_device(said["device"])
        if device.type == "cuda" and local >= torch.cuda.device_count():
            raise Refused(f"it is number {local} of its machine, which has {torch.cuda.device_count()} GPUs")
    except Refused as refused:
        store.set(f"here {rank}", str(refused))
        if near is None:
            store.set("far", here[1])
        print(f"refused: {refused}", file=sys.stderr, flush=True)
        time.sleep(30)  # the leader hears it and ends this process
        raise
    store.set(f"here {rank}", "")
    if near is None:
        store.set("far", here[1])
    store.wait(["go"])
    ranks = int(store.get("go"))
    if ranks == 0:
        raise RuntimeError("not all processes come")
    joined = team.Team(store, rank, ranks, said["near"], local, device)
    server = serve.Server(lambda _: None, None if joined.is_far else memory.DESCRIPTOR, joined, factory)
    while True:
        try:
            call = joined.hear()
        except RuntimeError:  # what Gloo says of a connection that ended
            print("the leader is gone", file=sys.stderr, flush=True)
            os._exit(0)
        try:
            server.work(call["call"], call["args"])
        except Agreed as refused:
            print(f"refused: {refused}", file=sys.stderr, flush=True)


def find(meet: str) -> tuple[Any, dict[str, Any]]:
    """Waits for a leader; returns its store, and what it says of itself."""
    import torch.distributed as dist

    from . import cbor, team

    if os.path.isabs(meet):
        team.use_interface(None)
        file = dist.FileStore(meet, -1)
        return file, cbor.loads(file.get("open"))
    host, port = team.address(meet)
    while True:
        try:
            socket.create_connection((host, port), timeout=10).close()  # TCPStore would complain at length
            team.use_interface(host)
            store = dist.TCPStore(host, port, is_master=False, timeout=team.WORK)
            said = cbor.loads(store.get("open"))
            break
        except (dist.DistError, OSError):
            time.sleep(1)  # there is no leader yet
    watched = dist.TCPStore(host, port, is_master=False, timeout=team.WORK)
    threading.Thread(target=end_with_leader, args=[watched], daemon=True).start()
    return store, said


def end_with_leader(store: Any) -> None:
    """Some exchanges wait for ever for one that is gone."""
    try:
        while True:
            store.check(["open"])
            time.sleep(2)
    except Exception:
        print("the leader is gone", file=sys.stderr, flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
