#!/usr/bin/env python3
"""Measures how far a model's samples are from drawings nobody trained on: the Fréchet distance of their Gaussians in the
hidden layer of the feature network.   Heusel et al. 2017, arXiv:1706.08500, eq. 6

    node esbuild.mjs weights/portraits/draw.ts --count 5000 --seed 901 --out held-out.u8
    python3 weights/frechet.py --model weights/portraits64.safetensors --drawings held-out.u8

Samples are made by DDIM with eta 0, sample n of a seed from the same noise whatever the rest, and rounded to bytes. It runs
in PyTorch, as train.py does, on one process a core. Prints one JSON object.
"""
import argparse
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor

from train import ALPHA_BAR, Conv3x3, UNet, compile_fused, read_safetensors, unit_range  # first: it sets up OpenBLAS

import numpy as np
import torch

from features import Features

HERE = os.path.dirname(os.path.abspath(__file__))


@torch.no_grad()
def ddim(net, noise, steps):
    """Pictures from noise [n, 3, 64, 64], as bytes [n, 64, 64, 3].   Song et al. 2021, arXiv:2010.02502, eq. 12"""
    times = (np.linspace(0, 1, steps) * (len(ALPHA_BAR) - 1) + 1e-6).astype(int)[::-1]
    x = noise
    for t, following in zip(times, [*times[1:], -1]):
        a, b = ALPHA_BAR[t], ALPHA_BAR[following] if following >= 0 else 1.0
        eps = net(x, torch.full((len(x),), int(t)))
        x0 = (x - (1 - a) ** 0.5 * eps) / a**0.5
        x = (b**0.5 * x0 + (1 - b) ** 0.5 * eps).contiguous(memory_format=torch.channels_last)
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def sample(job):
    """A share of the samples, in a process of its own."""
    options, share = job
    torch.set_num_threads(1)
    Conv3x3.bfloat16 = options.bfloat16
    with tempfile.TemporaryDirectory() as folder:
        compile_fused(folder)
    tensors, metadata = read_safetensors(options.model)
    net = UNet(json.loads(metadata["config"])).eval()
    net.load_state_dict(tensors)
    pictures = []
    for start in range(0, len(share), options.batch):
        seeds = share[start : start + options.batch]
        noise = [torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        pictures.append(ddim(net, torch.stack(noise), options.steps))
    return np.concatenate(pictures)


@torch.no_grad()
def hidden(net, pictures):
    """Values of the hidden layer, f64 [n, 64], of bytes [n, 64, 64, 3]."""
    starts = range(0, len(pictures), 500)
    found = [net.embed(unit_range(torch.from_numpy(pictures[at : at + 500]))) for at in starts]
    return torch.cat(found).double().numpy()


def frechet(a, b):
    """Distance of the Gaussians of two sets of vectors, [n, width] each."""
    (mean_a, cov_a), (mean_b, cov_b) = ((v.mean(0), np.cov(v, rowvar=False)) for v in (a, b))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(cov_a @ cov_b).real, 0))  # of sqrt(cov_a cov_b): real but for rounding
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--drawings", required=True, help="bytes [n, 64, 64, 3] of weights/portraits/draw.ts")
    parser.add_argument("--features", default=os.path.join(HERE, "features", "portraits64.safetensors"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--bfloat16", action="store_true", help="bfloat16 3x3 convolutions, where the processor has them")
    parser.add_argument("--save", help="a file for the samples, as bytes [n, 64, 64, 3]")
    options = parser.parse_args()
    drawings = np.fromfile(options.drawings, np.uint8).reshape(-1, 64, 64, 3)
    tensors, metadata = read_safetensors(options.features)
    net = Features(len(tensors["factors.bias"]))
    net.load_state_dict(tensors)
    shares = np.array_split(options.seed * 1_000_000 + np.arange(options.count), options.workers)
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        samples = np.concatenate(list(pool.map(sample, [(options, share.tolist()) for share in shares])))
    if options.save:
        samples.tofile(options.save)
    drawn = hidden(net, drawings)
    half = len(drawn) // 2
    found = {
        "model": options.model,
        "samples": len(samples),
        "steps": options.steps,
        "drawings": len(drawings),
        "frechet": round(frechet(hidden(net, samples), drawn), 2),
        # what as many drawings are from the others: the least that can be reached
        "ofDrawings": round(frechet(drawn[: min(options.count, half)], drawn[half:]), 2),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
