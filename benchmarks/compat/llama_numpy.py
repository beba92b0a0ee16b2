"""Runs a Llama checkpoint in numpy and writes its logits.

    python llama_numpy.py MODEL TOKENS OUT [--float32]
    python llama_numpy.py --compare A.json B.json

MODEL is a folder with config.json and model.safetensors, TOKENS a file in which
each byte is one token id, OUT the JSON to write: who computed it, the tokens,
and one row of logits for each token. Arithmetic is float64 unless --float32 is
given.

Written from the published formulas alone, with the conventions of Hugging
Face's LlamaForCausalLM: rotation pairs value i with value i + head_dim/2
("rotate_half"), RMSNorm has its epsilon inside the root, query head h reads
key head h // (heads / key heads), matrices are [out, in].

  RMSNorm  Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4
  RoPE     Su et al. 2021, arXiv:2104.09864, eq. 34
  SwiGLU   Shazeer 2020, arXiv:2002.05202, eq. 6
  GQA      Ainslie et al. 2023, arXiv:2305.13245
"""

import json
import os
import sys

import numpy as np
from safetensors import safe_open


def load(folder):
    """Returns config.json and the tensors, which must be exactly Llama's."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    assert c["architectures"] == ["LlamaForCausalLM"] and c["model_type"] == "llama"
    assert c["hidden_act"] == "silu" and c["rope_scaling"] is None
    assert not c["attention_bias"] and not c["mlp_bias"]
    with safe_open(os.path.join(folder, "model.safetensors"), "numpy") as f:
        assert f.metadata()["format"] == "pt", "transformers refuses a file that does not say so"
        w = {name: f.get_tensor(name) for name in f.keys()}
    want = shapes(c)
    got = {name: v.shape for name, v in w.items()}
    assert got == want, f"tensors are {got}, want {want}"
    assert all(v.dtype == np.float32 for v in w.values())
    return c, w


def shapes(c):
    dim, inner = c["hidden_size"], c["intermediate_size"]
    kv = c["num_key_value_heads"] * c["head_dim"]
    layer = {
        "input_layernorm": (dim,),
        "self_attn.q_proj": (dim, dim),
        "self_attn.k_proj": (kv, dim),
        "self_attn.v_proj": (kv, dim),
        "self_attn.o_proj": (dim, dim),
        "post_attention_layernorm": (dim,),
        "mlp.gate_proj": (inner, dim),
        "mlp.up_proj": (inner, dim),
        "mlp.down_proj": (dim, inner),
    }
    s = {"model.embed_tokens": (c["vocab_size"], dim), "model.norm": (dim,)}
    for i in range(c["num_hidden_layers"]):
        s.update({f"model.layers.{i}.{name}": shape for name, shape in layer.items()})
    if not c["tie_word_embeddings"]:
        s["lm_head"] = (c["vocab_size"], dim)
    return {f"{name}.weight": shape for name, shape in s.items()}


def forward(c, w, tokens, dtype):
    """Returns the logits, [tokens, vocabulary]."""
    get = lambda name: w[name + ".weight"].astype(dtype)
    cos, sin = rotary(c, len(tokens), dtype)
    x = get("model.embed_tokens")[tokens]
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        h = rms_norm(x, get(p + "input_layernorm"), c["rms_norm_eps"])
        h = attention(c, *(h @ get(f"{p}self_attn.{n}_proj").T for n in "qkv"), cos, sin)
        x = x + h @ get(p + "self_attn.o_proj").T
        h = rms_norm(x, get(p + "post_attention_layernorm"), c["rms_norm_eps"])
        h = silu(h @ get(p + "mlp.gate_proj").T) * (h @ get(p + "mlp.up_proj").T)
        x = x + h @ get(p + "mlp.down_proj").T
    x = rms_norm(x, get("model.norm"), c["rms_norm_eps"])
    head = "model.embed_tokens" if c["tie_word_embeddings"] else "lm_head"
    return x @ get(head).T


def rms_norm(x, g, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(eps)) * g


def silu(x):
    return x / (1 + np.exp(-x))


def rotary(c, count, dtype):
    d = c["head_dim"]
    frequency = c["rope_theta"] ** (-np.arange(0, d, 2) / d)
    angle = np.outer(np.arange(count), frequency)
    angle = np.concatenate([angle, angle], -1)
    return np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + np.concatenate([-x[..., half:], x[..., :half]], -1) * sin


def attention(c, q, k, v, cos, sin):
    """Causal attention over [tokens, heads * head_dim]."""
    heads, kv_heads, d = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
    n = len(q)
    split = lambda x, count: x.reshape(n, count, d).transpose(1, 0, 2)
    q = rotate(split(q, heads), cos, sin)
    k = np.repeat(rotate(split(k, kv_heads), cos, sin), heads // kv_heads, 0)
    v = np.repeat(split(v, kv_heads), heads // kv_heads, 0)
    scores = q @ k.transpose(0, 2, 1) / q.dtype.type(np.sqrt(d))
    scores[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return (p @ v).transpose(1, 0, 2).reshape(n, heads * d)


def losses(logits, tokens):
    """Returns the cross-entropy of each token after the first, in nats."""
    z = np.asarray(logits, np.float64)[:-1]
    top = z.max(-1)
    return np.log(np.exp(z - top[:, None]).sum(-1)) + top - z[np.arange(len(z)), tokens[1:]]


def compare(a, b):
    a, b = (json.load(open(path, encoding="utf-8")) for path in (a, b))
    assert a["tokens"] == b["tokens"], "not the same tokens"
    x, y = (np.asarray(r["logits"], np.float64) for r in (a, b))
    lx, ly = (losses(r["logits"], r["tokens"]) for r in (a, b))
    print(f"{a['made_by']}  against  {b['made_by']}")
    print(f"  {x.size} logits from {x.min():.3f} to {x.max():.3f}, farthest apart {abs(x - y).max():.3e}")
    print(f"  {lx.size} losses, mean {lx.mean():.7f} and {ly.mean():.7f}, farthest apart {abs(lx - ly).max():.3e}")


def main(args):
    if args[:1] == ["--compare"]:
        return compare(*args[1:])
    dtype = np.float32 if "--float32" in args else np.float64
    folder, tokens, out = (a for a in args if a != "--float32")
    c, w = load(folder)
    with open(tokens, "rb") as f:
        tokens = list(f.read())
    logits = forward(c, w, tokens, dtype)
    assert logits.dtype == dtype
    result = {
        "made_by": f"numpy {np.__version__}, llama_numpy.py, {np.dtype(dtype).name}",
        "tokens": tokens,
        "logits": [[float(f"{v:.9g}") for v in row] for row in logits],
    }
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, separators=(",", ":"))
        f.write("\n")
    print(f"{len(tokens)} tokens, mean loss {losses(logits, tokens).mean():.7f}")


if __name__ == "__main__":
    main(sys.argv[1:])
