"""Checks and measures `--engine cuda` on the card of this machine and writes a report with
the raw output beside it. It needs no network and no Go: `make card` builds what it runs.

    make card
    python3 benchmarks/card/run.py checks --out card-report
    python3 benchmarks/card/run.py speed --out card-report --python python3

`checks` runs lode doctor, the conformance kit and the other tests of the engine on the
card, and a run of one worker by lode up. `speed` trains the same Llama from the same
values on the same batches with us, with PyTorch eager and with torch.compile, one after
the other, and times an update. Each ends within --budget seconds: what there is no time for is
left out, and the report says so. report.md is written anew after every step.

Where there is no card, --toy tries the script itself, with tiny models and PyTorch on the
processor; LODE_CUDA_PATH then names the stand-in (make stand-in). Its figures mean nothing.
"""

import argparse
import datetime
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARM = 2  # steps of lode bench engine that do not count
RUN = """name: card
model: {{dim: {dim}, layers: {layers}, heads: {heads}, kv_heads: {heads}, ffn: {ffn}, context: {steps}}}
data: {{piece: {piece}}}
train: {{inner_steps: {inner}, rows: {rows}, steps: {steps}}}
score: {{rows: 4, held_out: 4}}
"""


class Report:
    def __init__(self, args):
        self.args, self.dir, self.began = args, args.out, time.monotonic()
        os.makedirs(self.dir, exist_ok=True)
        self.work = tempfile.mkdtemp(prefix="lode-card-")  # what is large and need not be kept
        self.kept = os.path.join(self.dir, "results.json")
        self.results = json.load(open(self.kept)) if os.path.exists(self.kept) else {}

    def left(self):
        return self.args.budget - (time.monotonic() - self.began)

    def step(self, name, command, most, env=None):
        """Runs a command, keeps what it printed, and returns that; None if it failed."""
        seconds = min(most, self.left())
        if seconds < 5:
            print(f"{name}: no time left", flush=True)
            self.keep(name, {"state": "left out, no time", "command": command})
            return None
        print(f"{name}: {' '.join(command)}", flush=True)
        began = time.monotonic()
        with open(os.path.join(self.dir, name + ".txt"), "w") as out, open(os.path.join(self.dir, name + ".err.txt"), "w") as err:
            try:
                code = subprocess.run(command, env={**os.environ, **(env or {})}, stdout=out, stderr=err, timeout=seconds, cwd=ROOT).returncode
                state = "ok" if code == 0 else f"exit code {code}"
            except subprocess.TimeoutExpired:
                state = f"ended after {seconds:.0f} s"
            except OSError as e:
                state = str(e)
        took = time.monotonic() - began
        print(f"{name}: {state}, {took:.1f} s", flush=True)
        self.keep(name, {"state": state, "command": command, "seconds": took})
        return open(os.path.join(self.dir, name + ".txt")).read() if state == "ok" else None

    def keep(self, name, what):
        self.results[name] = {**self.results.get(name, {}), **what}
        with open(self.kept, "w") as f:
            json.dump(self.results, f, indent=1)
        with open(os.path.join(self.dir, "report.md"), "w") as f:
            f.write(text(self.results, self.args.toy))


def checks(r, a):
    r.step("nvidia-smi", ["nvidia-smi"], 20)
    r.step("doctor", [a.lode, "doctor"], 120)
    kit = "^(TestConformance|TestStages|TestParts|TestAgain)$"
    real = {"LODE_TEST_CARD": "1", "CUDA_CACHE_MAXSIZE": "1073741824"}
    tests = [a.tests, "-test.v", "-test.timeout", "10m"]
    if a.toy:  # the kit takes minutes on the stand-in
        r.step("conformance", tests + ["-test.run", "^TestStages$"], 240, real)
        r.step("tests", tests + ["-test.run", "^(TestSparse|TestRoot)$"], 60, real)
    else:
        r.step("conformance", tests + ["-test.run", kit], 240, real)
        r.step("tests", tests + ["-test.skip", kit], 180, real)
    up(r, a)


def up(r, a):
    shape = dict(dim=768, layers=12, heads=12, ffn=2048, steps=1024, inner=200, rows=16, piece="256KiB")
    rounds, size = 4, 48 << 20
    if a.toy:
        shape, rounds, size = dict(dim=16, layers=1, heads=2, ffn=24, steps=16, inner=3, rows=2, piece="2KiB"), 3, 1 << 18
    plan, corpus, folder = (os.path.join(r.work, n) for n in ("run.yaml", "corpus.txt", "run"))
    with open(plan, "w") as f:
        f.write(RUN.format(**shape))
    words = [("".join(random.Random(i).choices("etaoinshrdlu", k=2 + i % 7))) for i in range(4096)]
    draw = random.Random(1)
    with open(corpus, "w") as f:
        f.write(" ".join(draw.choices(words, k=size // 6)))
    r.step("up", [a.lode, "up", plan, "--dir", folder, "--new", "--data", corpus, "--workers", "1", "--validators", "1",
                  "--rounds", str(rounds), "--engine", "cuda", "--precision", "bf16", "--log-level", "info"], 240)
    lines = []
    try:
        with open(os.path.join(folder, "logs", "worker-1.log")) as f:
            raw = f.read()
        with open(os.path.join(r.dir, "worker.log.txt"), "w") as f:
            f.write(raw)
        lines = [json.loads(x) for x in raw.splitlines() if '"update made"' in x]
    except OSError:
        pass
    if len(lines) > 1:
        trained, rest = sum(x["train_s"] for x in lines), sum(x["rest_s"] for x in lines)
        wall = [datetime.datetime.fromisoformat(x["time"].replace("Z", "+00:00")).timestamp() for x in lines]
        # The log has whole seconds, so only the long way round says anything of waiting.
        r.keep("up", {"rounds": len(lines), "train_s": trained, "rest_s": rest, "wall_s": wall[-1] - wall[0],
                      "trained_after_first_s": trained - lines[0]["train_s"]})


def speed(r, a):
    for sequence in a.sequences:
        for size in a.sizes:
            compare(r, a, size, sequence)


def compare(r, a, size, sequence):
    steps, tokens = (a.steps, a.tokens) if size != "1b" else (max(20, a.steps // 5), a.tokens // 2)
    name, folder = f"{size}-{sequence}", os.path.join(r.work, "export-" + size)
    shape = ["--size", size, "--sequence", str(sequence), "--rows", str(max(1, tokens // sequence)), "--steps", str(steps)]
    scores = ["--scores", str(a.scores)] if sequence == a.sequences[0] else []
    ours = result(r, name + "-lode", [a.lode, "bench", "engine", *shape, *scores, "--engine", "cuda", "--precision", "bf16", "--json"], 150)
    if r.step(name + "-export", [a.lode, "bench", "engine", *shape, "--export", folder], 120) is None:
        return
    twin = [a.python, os.path.join(ROOT, "benchmarks", "engine", "torch_step.py"), folder, "--device", a.device, "--precision", "bf16"]
    eager = result(r, name + "-eager", twin, 150)
    fast = result(r, name + "-compile", twin + ["--compile"], 200)
    if not ours:
        return
    work = ours["flop_per_s"] / ours["tokens_per_s"]
    sides = {"lode": ours, "eager": eager, "compile": fast}
    row = {"size": size, "sequence": sequence, "rows": ours["rows"], "params": ours["params"], "steps": len(ours["losses"]),
           "peak": ours["peak_flop_per_s"], "work": work, "engine": ours["engine"], "plan": ours["plan"], "update": ours.get("update"), "sides": {}}
    for side, x in sides.items():
        if x is None:
            continue
        tokens = ours["rows"] * sequence / statistics.median(x["step_seconds"][WARM:])
        apart = [abs(p - q) for p, q in zip(ours["losses"], x["losses"], strict=True)]
        row["sides"][side] = {"tokens_per_s": tokens, "card_bytes": x["card_bytes"], "reserved": x.get("card_reserved_bytes", 0),
                              "apart_most": max(apart), "apart_mean": statistics.mean(apart), "loss": x["losses"][-1]}
    if eager and fast:  # what bf16 does by itself: two ways of PyTorch
        row["noise"] = max(abs(p - q) for p, q in zip(eager["losses"], fast["losses"], strict=True))
    r.keep("compare " + name, {"state": "ok", "row": row})


def result(r, name, command, most):
    out = r.step(name, command, most)
    return json.loads(out.splitlines()[-1]) if out else None


def bar(ok):
    return "met" if ok else "**missed**"


def text(results, toy):
    out = [f"# `--engine cuda` on a card, {datetime.date.today()}", ""]
    if toy:
        out += ["**A trial of the script without a card: no figure here means anything.**", ""]
    out += [f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} threads, {platform.platform()}. "
            "Command, state and seconds of each step; its output is in NAME.txt and NAME.err.txt.", "",
            "| step | state | seconds | command |", "|---|---|---|---|"]
    for name, x in results.items():
        if "command" in x:
            out.append(f"| {name} | {x['state']} | {x.get('seconds', 0):.1f} | `{' '.join(x['command'])}` |")
    rows = [x["row"] for x in results.values() if "row" in x]
    if rows:
        out += ["", "Both sides start from the same values and see the same batches; rates are of the median step. Utilisation is "
                "6 × (weights of matrices + layers × width × sequence) operations for each token against the data sheet's dense bf16 peak "
                "(0 if the card is not in our table). Memory is what we take of the card, and what PyTorch had allocated at most (reserved "
                "in brackets). Apart: the greatest difference of a step's loss to ours; noise: that of eager and compiled to each other.", "",
                "| parameters | sequence | rows | side | tokens/s | ours is | utilisation | memory, GB | apart | noise |", "|---|---|---|---|---|---|---|---|---|---|"]
        bars = []
        for w in rows:
            ours = w["sides"]["lode"]
            for side, x in w["sides"].items():
                used = f"{x['tokens_per_s'] * w['work'] / w['peak']:.1%}" if w["peak"] else "0"
                out.append(f"| {w['params'] / 1e6:.1f} M | {w['sequence']} | {w['rows']} | {side} | {x['tokens_per_s']:.0f} | {ours['tokens_per_s'] / x['tokens_per_s']:.2f} × | "
                           f"{used} | {x['card_bytes'] / 1e9:.2f} ({x['reserved'] / 1e9:.2f}) | {x['apart_most']:.1e} of {x['loss']:.3f}, {w['steps']} steps | {w.get('noise', 0):.1e} |")
            what = f"{w['size']}, {w['sequence']}"
            for side, least in (("eager", 1.0), ("compile", 0.8)):
                if side in w["sides"]:
                    x = w["sides"][side]
                    ratio = ours["tokens_per_s"] / x["tokens_per_s"]
                    bars.append(f"- {what}: {ratio:.2f} × {side}, wanted {least}: {bar(ratio >= least)}")
                    bars.append(f"- {what}: {ours['card_bytes'] / 1e9:.2f} GB of the card, {side} {x['card_bytes'] / 1e9:.2f}: {bar(ours['card_bytes'] <= x['card_bytes'])}")
            if w["size"] == "1b" and w["peak"]:
                used = ours["tokens_per_s"] * w["work"] / w["peak"]
                bars.append(f"- {what}: {used:.1%} of the peak, wanted 40 %: {bar(used >= 0.4)}")
            if w.get("update"):
                u = w["update"]
                line = f"- {what}: an update of {u['kept']} values is made in {1e3 * u['encode_s']:.1f} ms, {u['scores']} are scored in {1e3 * u['scores_s']:.1f} ms"
                if w["size"] == "1b":
                    line += f", wanted 50 and 100 for 100: {bar(u['encode_s'] < 0.05 and u['scores_s'] < 0.1)}"
                bars.append(line + f"; one is taken off in {1e3 * u['apply_s']:.1f} ms, parameters are hashed in {1e3 * u['root_s']:.1f} ms")
        out += ["", *bars]
    x = results.get("up", {})
    if "train_s" in x:
        share = x["train_s"] / (x["train_s"] + x["rest_s"])
        out += ["", f"`lode up`, one worker, {x['rounds']} rounds: {x['train_s']:.2f} s of training, {x['rest_s']:.2f} s for the rest of making updates, {share:.1%}; "
                f"{x['trained_after_first_s']:.1f} of {x['wall_s']:.0f} s from the first update to the last, waiting for the round included. "
                f"Wanted 97 %: {bar(x['wall_s'] > 0 and x['trained_after_first_s'] / x['wall_s'] >= 0.97)}"]
    return "\n".join(out) + "\n"


def numbers(text):
    return [int(x) for x in re.split(",", text)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("part", choices=["checks", "speed"])
    p.add_argument("--out", default="card-report", help="folder of the report")
    p.add_argument("--lode", default=os.path.join(ROOT, ".cache", "card", "lode"))
    p.add_argument("--tests", default=os.path.join(ROOT, ".cache", "card", "cuda.test"))
    p.add_argument("--python", default=sys.executable, help="a Python with PyTorch")
    p.add_argument("--budget", type=float, default=560, help="seconds in all")
    p.add_argument("--sizes", default="124m,1b", help="of lode bench engine")
    p.add_argument("--sequences", type=numbers, default=[1024, 2048])
    p.add_argument("--tokens", type=int, default=16384, help="of a batch; half of them for 1b")
    p.add_argument("--steps", type=int, default=198, help="that count; a fifth of them for 1b")
    p.add_argument("--scores", type=int, default=100)
    p.add_argument("--device", default="cuda", help="of PyTorch")
    p.add_argument("--toy", action="store_true")
    args = p.parse_args()
    args.sizes = args.sizes.split(",")
    if args.toy:
        args.sizes, args.sequences, args.tokens, args.steps, args.scores, args.device = ["1m"], [16, 32], 32, 3, 4, "cpu"
    report = Report(args)
    try:
        {"checks": checks, "speed": speed}[args.part](report, args)
    finally:
        shutil.rmtree(report.work, ignore_errors=True)


main()
