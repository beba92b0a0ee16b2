"""The process: keeps the way to the program free of what others print, then serves."""

from __future__ import annotations

import os
import shutil
import sys

from . import memory, serve, wire


def main() -> None:
    # What a model prints goes where errors go: standard output carries frames alone.
    # And nothing that is called may read the program's frames.
    out = os.fdopen(os.dup(1), "wb")
    source = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.reconfigure(line_buffering=True)
    serve.serve(wire.Wire(source, out), memory.DESCRIPTOR)
    # Threads of PyTorch's may wait for what does not come, and the program removes the
    # folder only if it is still there.
    shutil.rmtree(os.environ.get("LODE_FOLDER", ""), ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
