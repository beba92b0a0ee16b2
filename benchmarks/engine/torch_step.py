"""Trains the model that `lode bench engine --export DIR` wrote, on its batches, in
PyTorch, and prints what it measured as one JSON object.

    python torch_step.py DIR [--threads N] [--device cuda --precision bf16 [--compile]]

The model is the Llama of Hugging Face (RMSNorm, rotary positions on halves, grouped
heads, SwiGLU) written with what PyTorch has ready: scaled_dot_product_attention, the
fused AdamW, rms_norm, one matrix for queries, keys and values and one for gate and up.
In bf16, values lie in bf16 and products are of torch.autocast; parameters, gradients and
moments stay float32, as on our side.
"""

import argparse
import json
import os
import resource
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F


def read_safetensors(path):
    """Tensors by name. The file is read twice over: header, then values."""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        out = {}
        for name, e in header.items():
            if name == "__metadata__":
                continue
            lo, hi = e["data_offsets"]
            f.seek(8 + size + lo)
            values = numpy.fromfile(f, dtype="<f4", count=(hi - lo) // 4)
            out[name] = torch.from_numpy(values).reshape(e["shape"])
    return out


class Block(torch.nn.Module):
    def __init__(self, c, weights, prefix):
        super().__init__()
        take = lambda *names: torch.nn.Parameter(torch.cat([weights.pop(prefix + n + ".weight") for n in names]))
        self.norm1, self.norm2 = take("input_layernorm"), take("post_attention_layernorm")
        self.qkv = take("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
        self.o = take("self_attn.o_proj")
        self.gate_up, self.down = take("mlp.gate_proj", "mlp.up_proj"), take("mlp.down_proj")
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim, self.hd, self.eps = c["hidden_size"], c["head_dim"], c["rms_norm_eps"]

    def forward(self, x, cos, sin):
        rows, steps, _ = x.shape
        h = F.linear(F.rms_norm(x, (self.dim,), self.norm1.to(x.dtype), self.eps), self.qkv)
        h = h.view(rows, steps, self.heads + 2 * self.kv, self.hd).transpose(1, 2)
        q, k, v = h.split([self.heads, self.kv, self.kv], dim=1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv)
        x = x + F.linear(a.transpose(1, 2).reshape(rows, steps, self.dim), self.o)
        gate, up = F.linear(F.rms_norm(x, (self.dim,), self.norm2.to(x.dtype), self.eps), self.gate_up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-b, a), dim=-1) * sin.to(x.dtype)


class Model(torch.nn.Module):
    def __init__(self, c, weights, dtype):
        super().__init__()
        self.dtype = dtype  # of values
        self.embed = torch.nn.Parameter(weights.pop("model.embed_tokens.weight"))
        self.blocks = torch.nn.ModuleList(
            Block(c, weights, f"model.layers.{i}.") for i in range(c["num_hidden_layers"]))
        self.norm, self.eps = torch.nn.Parameter(weights.pop("model.norm.weight")), c["rms_norm_eps"]
        self.head = self.embed if c["tie_word_embeddings"] else torch.nn.Parameter(weights.pop("lm_head.weight"))
        assert not weights, weights.keys()
        half = c["head_dim"] // 2
        turns = torch.arange(c["max_position_embeddings"], dtype=torch.float64)[:, None] * c["rope_theta"] ** (
            -torch.arange(half, dtype=torch.float64) / half)
        for name, f in (("cos", torch.cos), ("sin", torch.sin)):
            self.register_buffer(name, f(torch.cat((turns, turns), -1)).float(), persistent=False)

    def forward(self, inputs, targets):
        x, steps = F.embedding(inputs, self.embed).to(self.dtype), inputs.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:steps], self.sin[:steps])
        x = F.rms_norm(x, (x.shape[-1],), self.norm.to(x.dtype), self.eps)
        return F.cross_entropy(F.linear(x, self.head).flatten(0, 1), targets.flatten())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dir")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="float32", choices=["float32", "bf16"])
    p.add_argument("--compile", action="store_true")
    args = p.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    with open(os.path.join(args.dir, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(args.dir, "bench.json")) as f:
        bench = json.load(f)
    half, card = args.precision == "bf16", args.device.startswith("cuda")
    model = Model(config, read_safetensors(os.path.join(args.dir, "model.safetensors")),
                  torch.bfloat16 if half else torch.float32).to(args.device)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": bench["weight_decay"]}, {"params": vectors, "weight_decay": 0}],
        lr=bench["rate"], betas=(bench["beta1"], bench["beta2"]), eps=bench["epsilon"], fused=True)
    batches = [tuple(torch.tensor(b[side]).view(bench["rows"], bench["steps"]) for side in ("inputs", "targets"))
               for b in bench["batches"]]
    forward = torch.compile(model) if args.compile else model
    losses, seconds, cpu = [], [], []
    for inputs, targets in batches:
        wall, used = time.perf_counter(), time.process_time()
        inputs, targets = inputs.to(args.device), targets.to(args.device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(args.device.split(":")[0], dtype=torch.bfloat16, enabled=half):
            loss = forward(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), bench["clip_norm"])
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - used)
    json.dump({
        "engine": "pytorch " + torch.__version__ + (" compiled" if args.compile else ""),
        "device": torch.cuda.get_device_name() if card else args.device, "precision": args.precision,
        "card_bytes": torch.cuda.max_memory_allocated() if card else 0,
        "card_reserved_bytes": torch.cuda.max_memory_reserved() if card else 0,
        "threads": torch.get_num_threads(), "losses": losses,
        "step_seconds": seconds, "step_cpu_seconds": cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }, sys.stdout)
    print()


main()
