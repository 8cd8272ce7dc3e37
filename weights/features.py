"""Trains the small feature network that `injectfusion evaluate --portrait-features` measures with.

    node esbuild.mjs weights/portraits/draw.ts --count 20000 --seed 1 --out train.u8
    node esbuild.mjs weights/portraits/targets.ts --count 20000 --seed 1 --out targets.f32 > names.json
    python3 weights/features.py --data train.u8 --targets targets.f32 --names names.json --out weights/features64.safetensors

It sees a portrait [3, 64, 64] in [-1, 1] and names the factors it was drawn from: four 3x3 convolutions of stride 2 with
ReLU, a hidden layer of 64, one output a factor (standardised; a choice is one output for each of its kinds). The last
portraits are held out; the share of each factor's variance that is explained on them goes into the metadata.
"""
import argparse
import json
import struct
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = (3, 16, 32, 64, 64)
HIDDEN = 64
HELD_OUT = 1000


class Features(nn.Module):
    def __init__(self, outputs: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(WIDTHS, WIDTHS[1:]))
        self.hidden = nn.Linear(WIDTHS[-1] * 16, HIDDEN)
        self.factors = nn.Linear(HIDDEN, outputs)

    def embed(self, x):
        """Values of the hidden layer [n, HIDDEN]."""
        for conv in self.convs:
            x = F.relu(conv(x))
        return F.relu(self.hidden(x.flatten(1)))

    def forward(self, x):
        return self.factors(self.embed(x))


def batch(pictures, at, noise=0.0):
    """u8 [n, 64, 64, 3] -> f32 [n, 3, 64, 64] in [-1, 1], with noise as results have it."""
    x = torch.from_numpy(pictures[at].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    return x + noise * torch.rand(len(at), 1, 1, 1) * torch.randn(x.shape)


def train(pictures, targets, minutes, size=64, lr=2e-3):
    net = Features(targets.shape[1])
    optimiser = torch.optim.Adam(net.parameters(), lr)
    count = len(pictures) - HELD_OUT
    began, steps = time.process_time(), 0
    while (spent := (time.process_time() - began) / 60 / minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1, steps / 100) * (1 - spent)
        at = np.random.randint(0, count, size)
        loss = F.mse_loss(net(batch(pictures, at, 0.1)), targets[at])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if steps % 200 == 0:
            print(f"step {steps}, {spent * 100:.0f} %: loss {loss.item():.4f}", flush=True)
        steps += 1
    return net, steps


def explained(net, pictures, targets):
    """Share of each standardised target's variance explained on the held-out portraits."""
    at = np.arange(len(pictures) - HELD_OUT, len(pictures))
    with torch.no_grad():
        error = (net(batch(pictures, at)) - targets[at]) ** 2
    return (1 - error.mean(0) / targets[at].var(0, unbiased=False).clamp(min=1e-9)).tolist()


def save(path, net, metadata):
    header, data, at = {"__metadata__": metadata}, b"", 0
    for name, tensor in net.state_dict().items():
        values = tensor.numpy().astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, at + len(values)]}
        data, at = data + values, at + len(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser()
    for name in ("data", "targets", "names", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--minutes", type=float, default=3, help="of processor time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    names = json.load(open(options.names))
    width = len(names["content"]) + len(names["style"])
    targets = np.fromfile(options.targets, "<f4").reshape(-1, width)
    pictures = np.memmap(options.data, np.uint8, "r")
    count = min(len(targets), len(pictures) // (64 * 64 * 3))
    pictures = pictures[: count * 64 * 64 * 3].reshape(count, 64, 64, 3)
    targets = targets[:count]
    deviation = targets.std(0)
    targets = torch.from_numpy((targets - targets.mean(0)) / np.where(deviation > 1e-6, deviation, 1))
    net, steps = train(pictures, targets, options.minutes)
    share = explained(net, pictures, targets)
    order = names["content"] + names["style"]
    for name, value in zip(order, share):
        print(f"{name:20} {value:.2f}")
    content = len(names["content"])
    means = {"content": float(np.mean(share[:content])), "style": float(np.mean(share[content:]))}
    print(steps, "steps; explained on average:", means)
    save(
        options.out,
        net,
        {
            "kind": "injectfusion features",
            "content": json.dumps(names["content"]),
            "style": json.dumps(names["style"]),
            "explained": json.dumps({name: round(value, 3) for name, value in zip(order, share)}),
            "training": f"{steps} steps of 64 of {count - HELD_OUT} portraits, seed {options.seed}",
        },
    )


if __name__ == "__main__":
    main()
