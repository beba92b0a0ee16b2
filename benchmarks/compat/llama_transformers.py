"""Runs a Llama checkpoint through Hugging Face's transformers; writes its logits.

    python llama_transformers.py MODEL TOKENS OUT

The arguments are those of llama_numpy.py. The model is found and loaded by
from_pretrained and computed in float32 by FlaxLlamaForCausalLM, the variant
that needs no PyTorch. Two limits of that variant, both in transformers 4.49.0:

  it always rotates with a base of 10000, so another rope_theta is refused here;
  it does not tie the output matrix to the embedding, so that is done here.
"""

import json
import sys

import jax
import numpy as np
import transformers
from transformers import AutoConfig, FlaxLlamaForCausalLM


def main(folder, tokens, out):
    jax.config.update("jax_default_matmul_precision", "highest")
    c = AutoConfig.from_pretrained(folder)
    assert type(c).__name__ == "LlamaConfig"
    assert c.rope_theta == 10000, f"rope_theta is {c.rope_theta}, this variant ignores it"
    llama = FlaxLlamaForCausalLM.from_pretrained(folder)
    params = dict(llama.params)
    if c.tie_word_embeddings:
        params["lm_head"] = {"kernel": params["model"]["embed_tokens"]["embedding"].T}
    with open(tokens, "rb") as f:
        tokens = list(f.read())
    logits = np.asarray(llama(np.array([tokens]), params=params).logits[0])
    assert logits.dtype == np.float32 and np.isfinite(logits).all()
    result = {
        "made_by": f"transformers {transformers.__version__}, FlaxLlamaForCausalLM, "
        f"jax {jax.__version__}, float32",
        "tokens": tokens,
        "logits": [[float(str(v)) for v in row] for row in logits],
    }
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, separators=(",", ":"))
        f.write("\n")
    print(f"{len(tokens)} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
