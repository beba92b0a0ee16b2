"""Makes the tokenizers here and the answers of the Python package tokenizers.

Made with tokenizers 0.23.3: pip install tokenizers==0.23.3, python make.py TEXT,
where TEXT is any English text; the vocabularies are learnt from it.
"""
import json
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

text = open(sys.argv[1], encoding="utf-8").read()[:200_000]
odd = ["héllo wörld 漢字かな 🙂🎉 مرحبا\r\n\r\nDon't we'll I'M  12345 67 x_y\t\ttabs   \n\n  end"] * 50
corpus = [text, *odd]
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
made = {}


def train(name, t, size, special, **more):
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, **more))
    made[name] = json.loads(t.to_str())
    return made[name]


# GPT-2: ByteLevel's own pattern.
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.decoder = decoders.ByteLevel()
train("gpt2", t, 800, ["<|endoftext|>"], initial_alphabet=alphabet)
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
made["roberta"] = json.loads(t.to_str())
made["roberta"]["added_tokens"].append(
    {"id": 800, "content": "<mask>", "single_word": False, "lstrip": True, "rstrip": True, "normalized": False, "special": True})

# Llama 3: a pattern with look-ahead, whole words before merges.
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
t = Tokenizer(models.BPE(ignore_merges=True))
t.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
t.decoder = decoders.ByteLevel()
train("llama3", t, 800, ["<|begin_of_text|>", "<|end_of_text|>"], initial_alphabet=alphabet)

# Qwen: the same behind NFC; and StarCoder's digits.
t.normalizer = normalizers.NFC()
made["qwen"] = json.loads(t.to_str())
t = Tokenizer.from_str(json.dumps(made["gpt2"]))
t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
made["starcoder"] = json.loads(t.to_str())
t.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(LLAMA3), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
made["cl100k"] = json.loads(t.to_str())

# Llama 2: characters, bytes where there is none, spaces written ▁.
special = ["<unk>", "<s>", "</s>"]
t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
t.pre_tokenizer = pre_tokenizers.Metaspace()
t.decoder = decoders.Metaspace()
train("mistral", t, 900, special + ["<0x%02X>" % i for i in range(256)])
made["mistral"]["added_tokens"] = made["mistral"]["added_tokens"][:3]
made["mistral-first"] = json.loads(json.dumps(made["mistral"]))
made["mistral-first"]["pre_tokenizer"]["prepend_scheme"] = "first"
made["mistral-first"]["pre_tokenizer"]["split"] = False
t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
made["llama2"] = json.loads(t.to_str())
made["llama2"]["pre_tokenizer"] = None
made["llama2"]["added_tokens"] = made["mistral"]["added_tokens"]
made["unknown"] = json.loads(json.dumps(made["llama2"]))  # no bytes: what is unknown is <unk>
made["unknown"]["model"]["byte_fallback"] = False

cases = [
    "Hello, world!", "", " ", "\n", "\r\n\r\na\r\n", "  two  spaces ", "tab\t\tx", "Don't WE'LL I'M you've 'S", "🙂🎉👩‍👩‍👧‍👦 emoji",
    "漢字とかな", "مرحبا بالعالم", "a" * 900, "the " * 60, "x" * 30 + " " * 70, "12345678901234", "é e\u0301 ﬁ", "<|endoftext|>",
    "a<|endoftext|>b <|end_of_text|> c", "a <mask> b  <mask>c", "</s> x</s>", "\u0000\u0001\ufffd", "\u00a0nbsp\u2003em\u3000", "ſ K",
    "''s 'S", "foo_bar-baz.qux(1)", text[:600], "\u180e\ufeff\u200b x", "ͺ΅", "𝓗𝓮𝓵𝓵𝓸 𐍈", "\x85 next\x1c", "▁x ▁ y▁", "²³ Ⅷ ½",
]
rng = random.Random(1)
pieces = ["a", "B", " ", "  ", "\n", "\r", "\t", "'", "s", "ll", "9", "42", "é", "🙂", "漢", "_", ".", "<", "|", ">", "\u00a0", "\u0301",
          "the ", "ſ", "\u200d", "Ⅷ", "²", "ǅ", "▁", "</s>", "<|endoftext|>"]
cases += ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 30))) for _ in range(250)]

# The vocabulary that training on the cases must find; words of 900 letters are not counted there.
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.train_from_iterator([c for c in cases if len(c) < 900], trainers.BpeTrainer(
    vocab_size=420, min_frequency=2, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
learnt = json.loads(t.to_str())["model"]

answers = {}
for name, spec in made.items():
    json.dump(spec, open(f"{name}.json", "w"), ensure_ascii=False, separators=(",", ":"))
    t = Tokenizer.from_file(f"{name}.json")
    answers[name] = [t.encode(c, add_special_tokens=False).ids for c in cases]
json.dump({"cases": cases, "answers": answers, "vocab": learnt["vocab"], "merges": learnt["merges"]}, open("answers.json", "w"), separators=(",", ":"))
