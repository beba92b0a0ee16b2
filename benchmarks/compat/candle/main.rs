//! Runs a Llama checkpoint through candle and writes its logits.
//!
//!     llama-candle MODEL TOKENS OUT
//!
//! MODEL is a folder with config.json and model.safetensors, TOKENS a file in
//! which each byte is one token id, OUT the JSON to write: who computed it, the
//! tokens, and one row of logits for each token.
//!
//! Everything is computed in float32 on the processor. candle's model gives the
//! logits of the last position only, so it is run on each prefix of the tokens;
//! a second pass with its cache of keys and values, one token at a time, must
//! agree with the first.

use anyhow::{bail, ensure, Context, Result};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};

const MADE_BY: &str = "candle-transformers 0.9.2, models::llama, float32";

/// How far the two passes of candle may lie apart; they add in different orders.
const PASSES_AGREE: f32 = 1e-3;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, tokens, out] = args.as_slice() else {
        bail!("usage: llama-candle MODEL TOKENS OUT");
    };
    let tokens: Vec<u32> = std::fs::read(tokens)
        .with_context(|| format!("read {tokens}"))?
        .into_iter()
        .map(u32::from)
        .collect();
    let (llama, config) = load(model)?;
    let logits = whole(&llama, &config, &tokens)?;
    ensure!(
        logits.iter().flatten().all(|z| z.is_finite()),
        "a logit is not finite"
    );
    let apart = farthest(&logits, &stepwise(&llama, &config, &tokens)?);
    ensure!(
        apart <= PASSES_AGREE,
        "with and without cache the logits differ by {apart}"
    );
    println!(
        "{} tokens; with and without cache the logits differ by {apart:e}",
        tokens.len()
    );
    let text = format!(
        "{{\"made_by\":{},\"tokens\":{},\"logits\":{}}}\n",
        serde_json::to_string(MADE_BY)?,
        serde_json::to_string(&tokens)?,
        serde_json::to_string(&logits)?, // the shortest digits that give the float32 back
    );
    std::fs::write(out, text).with_context(|| format!("write {out}"))
}

fn load(folder: &str) -> Result<(Llama, Config)> {
    let path = |name: &str| std::path::Path::new(folder).join(name);
    let text = std::fs::read(path("config.json")).context("read config.json")?;
    let config = serde_json::from_slice::<LlamaConfig>(&text)
        .context("parse config.json")?
        .into_config(false);
    let tensors = candle_core::safetensors::load(path("model.safetensors"), &Device::Cpu)?;
    let vars = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    Ok((Llama::load(vars, &config)?, config))
}

/// The last logits of every prefix.
fn whole(llama: &Llama, config: &Config, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
    let mut cache = Cache::new(false, DType::F32, config, &Device::Cpu)?;
    (1..=tokens.len())
        .map(|end| last(llama, &mut cache, &tokens[..end], 0))
        .collect()
}

/// The logits token by token, over cached keys and values.
fn stepwise(llama: &Llama, config: &Config, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
    let mut cache = Cache::new(true, DType::F32, config, &Device::Cpu)?;
    (0..tokens.len())
        .map(|at| last(llama, &mut cache, &tokens[at..=at], at))
        .collect()
}

fn last(llama: &Llama, cache: &mut Cache, tokens: &[u32], at: usize) -> Result<Vec<f32>> {
    let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
    Ok(llama.forward(&input, at, cache)?.squeeze(0)?.to_vec1()?)
}

fn farthest(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    a.iter()
        .flatten()
        .zip(b.iter().flatten())
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max)
}
