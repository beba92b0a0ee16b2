"""Runs `lode bench engine` and its PyTorch twin in turn and compares them: tokens a
second, tokens per second of processor time, losses step by step, and the most memory
each process held. One line a pair as they come, then the medians.

    python compare.py --lode ./lode --python python3 --sizes 1m,10m --pairs 5

Both sides are started afresh for each pair, so that the machine's other load meets
both; --prefix is put before each command (such as "nice -n -10").
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WARM = 2  # steps that count on neither side


def child(prefix, command):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "OPENBLAS_"))}
    done = subprocess.run(shlex.split(prefix) + command, env=env, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def rates(result, tokens):
    return (tokens / statistics.median(result["step_seconds"][WARM:]),
            tokens / statistics.median(result["step_cpu_seconds"][WARM:]))


def compare(args, size, folder):
    subprocess.run([args.lode, "bench", "engine", "--size", size, "--steps", str(args.steps), "--export", folder], check=True)
    with open(os.path.join(folder, "bench.json")) as f:
        bench = json.load(f)
    tokens = bench["rows"] * bench["steps"]
    rows = []
    for pair in range(args.pairs):
        ours = [args.lode, "bench", "engine", "--size", size, "--threads", str(args.threads), "--steps", str(args.steps), "--json"]
        theirs = [args.python, os.path.join(HERE, "torch_step.py"), folder, "--threads", str(args.threads)]
        if pair % 2 == 0:
            a, b = child(args.prefix, ours), child(args.prefix, theirs)
        else:
            b, a = child(args.prefix, theirs), child(args.prefix, ours)
        (wall, cpu), (wall2, cpu2) = rates(a, tokens), rates(b, tokens)
        apart = max(abs(x - y) for x, y in zip(a["losses"], b["losses"], strict=True))
        rows.append((wall / wall2, cpu / cpu2, a["flop_utilisation"], a["peak_bytes"], b["peak_bytes"], apart))
        print(f"{size:>5} pair {pair + 1}: lode {wall:9.0f} tok/s {cpu:9.0f} tok/CPU-s {a['flop_utilisation']:6.1%} of peak "
              f"{a['peak_bytes'] / 1e6:7.0f} MB   pytorch {wall2:9.0f} {cpu2:9.0f} {b['peak_bytes'] / 1e6:7.0f} MB   "
              f"ratio {wall / wall2:.2f} wall {cpu / cpu2:.2f} CPU   losses apart {apart:.1e} of {a['losses'][-1]:.4f}", flush=True)
    middle = [statistics.median(r[i] for r in rows) for i in range(6)]
    print(f"{size:>5} median: {middle[0]:.2f} × PyTorch's tokens/s ({min(r[0] for r in rows):.2f} to {max(r[0] for r in rows):.2f}), "
          f"{middle[1]:.2f} × per CPU second, {middle[3] / middle[4]:.2f} × the memory, losses apart {middle[5]:.1e}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lode", default="./lode")
    p.add_argument("--python", default="python3", help="a Python with PyTorch")
    p.add_argument("--prefix", default="", help="put before each measured command")
    p.add_argument("--sizes", default="1m,10m,50m")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--pairs", type=int, default=5)
    args = p.parse_args()
    for size in args.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            compare(args, size, folder)


main()
