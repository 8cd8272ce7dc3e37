#!/usr/bin/env python3
"""Trains the shipped model: a DDPM U-Net (layout A, official tensor names) of 64x64 portraits.

    python3 weights/train.py train --data train.u8 --work run --minutes 105 [--resume]
    python3 weights/train.py export --work run --out weights/portraits64.safetensors

The data are raw bytes [count, 64, 64, 3] from weights/portraits/draw.ts. Needs PyTorch >= 1.13 and numpy; matplotlib
for `plot`. `--resume` goes on from run/last.pt, `--init` starts from an exported file; run/log.csv gets a line every 50 steps.

Seven things differ from a plain DDPM run; they make a small net that saw little compute usable for injection:
- the loss is the squared error of eps *plus* the same error of its 8x8-pixel means and its whole-picture means, each
  weighted by how well it can be known at that noise level. All three have the same minimiser; without the last two the
  few low frequencies that decide a sample at high t are 1 % and 0.02 % of the loss, and samples drift to flat colours;
- steps at high t weigh more than uniform eps loss gives them, once the net has learned the rest;
- at t >= 600 the target is not the noise that was drawn but its posterior mean over 1,024 portraits (`Reference`): the same
  minimiser without the part of the noise that nobody can know, so the weight does not buy gradient noise;
- in half of the training pictures (`--skip-pictures`) whole skips lose all but their means, the more the noisier and the
  coarser, so that h has to carry content. Not single channels: the group norm after the join would see other statistics in
  training than in use;
- with `--twins` half of the pictures are decoded from the h of their twin: the same content in another style, with other
  noise. Their skips keep their means only, so h tells what is where, and the palette comes by the skips. In other pictures
  lost skips get the layout of another portrait (`--strangers`), as in an injection the original's skips contradict h;
- weights are averaged (EMA); the average is what is shipped;
- the net starts as eps = x, exactly what high t wants, and learns the rest (`open_linear_path`). The top levels have 64
  channels for its sake: the official group norm always has 32 groups, and with one channel a group the last norm would
  remove the mean of eps, so the mean colour.
"""
import argparse
import csv
import ctypes
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
import time

# One thread a worker (`work`). OpenBLAS 0.3.21 takes processors that it does not know for much older ones: products of
# matrices take twice the time. Both have to be said before numpy loads it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if os.path.exists("/proc/cpuinfo") and "avx512f" in open("/proc/cpuinfo").read():
    os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = {
    "resolution": 64,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [2, 1, 2, 6],
    "num_res_blocks": 1,
    "attn_resolutions": [8],
    "dropout": 0.0,
    "resamp_with_conv": True,
}
SKIP_SHARES = {8: 1, 16: 1, 32: 1, 64: 0.8}  # of --skip-dropout, by the size of the skip
DATA_NOTE = (
    "weights/portraits, --seed 1 --count 40000, --seed 2 and 3 --count 24000, --seed 21 and 22 --count 30000, "
    "then --seed 31 and 32 --count 40000 --twins"
)
T = 1000
ALPHA_BAR = np.cumprod(1 - np.linspace(1e-4, 0.02, T))  # f64


# ---- the network: names and shapes of the official DDPM code -------------------------------------------------------


def norm(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


def norm_silu(layer, x, act=True):
    """Group norm and SiLU with f32 inside, whatever x's type."""
    if FUSED and x.device.type == "cpu":
        return FusedNormSilu.apply(x, layer.weight, layer.bias, layer.num_groups, layer.eps, act)
    y = F.group_norm(x.float(), layer.num_groups, layer.weight, layer.bias, layer.eps)
    return (F.silu(y) if act else y).to(x.dtype)


FUSED = None  # norm_silu.c, once compiled


def compile_fused(folder, rank=0):
    """Compiles norm_silu.c into `folder`; without a C compiler PyTorch's operators do."""
    global FUSED
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "norm_silu.c")
    target = os.path.abspath(f"{folder}/norm_silu.{rank}.so")
    flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
    try:
        subprocess.run(["cc", *flags, source, "-o", target, "-lm"], check=True)
        FUSED = ctypes.CDLL(target)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"norm_silu.c not compiled ({error}): slower steps", flush=True)


def pointers(*tensors):
    return [ctypes.c_void_p(t.data_ptr()) for t in tensors]


class FusedNormSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps, act):
        x = x.contiguous(memory_format=torch.channels_last)
        n, c, h, w = x.shape
        y, mean, rstd = torch.empty_like(x), torch.empty(n, groups), torch.empty(n, groups)
        FUSED.norm_silu_forward(
            *pointers(x, weight, bias, y, mean, rstd), n, h * w, c, groups, ctypes.c_float(eps), int(act)
        )
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.act = act
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, bias, mean, rstd = ctx.saved_tensors
        n, c, h, w = x.shape
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, dweight, dbias = torch.empty_like(x), torch.empty(n, c), torch.empty(n, c)
        FUSED.norm_silu_backward(
            *pointers(x, dy, weight, bias, mean, rstd, dx, dweight, dbias), n, h * w, c, mean.shape[1], int(ctx.act)
        )
        return dx, dweight.sum(0), dbias.sum(0), None, None, None


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution of f32, whose operands are rounded to bfloat16 where `train --bfloat16` asks for it."""

    bfloat16 = False

    def __init__(self, c_in, c_out, **options):
        super().__init__(c_in, c_out, 3, **options)

    def forward(self, x):
        if not self.bfloat16:
            return super().forward(x)
        return self._conv_forward(x.bfloat16(), self.weight.bfloat16(), None).float() + self.bias[:, None, None]


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, computed as one matrix product of the channels-last picture."""

    def __init__(self, c_in, c_out):
        super().__init__(c_in, c_out, 1)

    def forward(self, x):
        return F.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out, temb):
        super().__init__()
        self.norm1 = norm(c_in)
        self.conv1 = Conv3x3(c_in, c_out, padding=1)
        self.temb_proj = nn.Linear(temb, c_out)
        self.norm2 = norm(c_out)
        self.conv2 = Conv3x3(c_out, c_out, padding=1)
        if c_in != c_out:
            self.nin_shortcut = Pointwise(c_in, c_out)
        nn.init.zeros_(self.conv2.weight)  # a new block changes nothing

    def forward(self, x, temb):
        y = self.conv1(norm_silu(self.norm1, x))
        y = y + self.temb_proj(F.silu(temb))[:, :, None, None]
        y = self.conv2(norm_silu(self.norm2, y))
        return (self.shortcut(x) if hasattr(self, "nin_shortcut") else x) + y

    def shortcut(self, x):
        if x.dtype == torch.float32:  # the linear path stays in f32: bfloat16 would round its gain by 0.4 %
            with torch.autocast(x.device.type, enabled=False):
                return self.nin_shortcut(x)
        return self.nin_shortcut(x)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = norm(c)
        self.q, self.k, self.v, self.proj_out = (Pointwise(c, c) for _ in range(4))
        nn.init.zeros_(self.proj_out.weight)

    def forward(self, x):
        n, c, h, w = x.shape
        y = norm_silu(self.norm, x, act=False)
        q, k, v = (f(y).reshape(n, c, h * w) for f in (self.q, self.k, self.v))
        a = torch.softmax((q.transpose(1, 2) @ k).float() * c**-0.5, dim=2).to(v.dtype)
        return x + self.proj_out((v @ a.transpose(1, 2)).reshape(n, c, h, w))


class Downsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = Conv3x3(c, c, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = Conv3x3(c, c, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def ramp(t, ends):
    """0 up to the first of two time steps, 1 from the second on, and linear between. t is an array or a tensor."""
    first, full = ends
    return ((t - first) / (full - first)).clip(0, 1)


class UNet(nn.Module):
    def __init__(self, config=CONFIG, skip_dropout=None, skip_pictures=0.5, skip_ramp=(300, 600)):
        super().__init__()
        ch, mult, blocks = config["ch"], config["ch_mult"], config["num_res_blocks"]
        self.ch, self.blocks = ch, blocks
        # Used in training only: {resolution: probability at high t}, the share of pictures, and t from which skips are
        # dropped at all and in full.
        self.skip_dropout, self.skip_pictures, self.skip_ramp = skip_dropout or {}, skip_pictures, skip_ramp
        temb = 4 * ch
        self.temb = nn.Module()
        self.temb.dense = nn.ModuleList([nn.Linear(ch, temb), nn.Linear(temb, temb)])
        self.conv_in = nn.Conv2d(config["in_channels"], ch, 3, padding=1)

        size, c, skips = config["resolution"], ch, [ch]
        self.down = nn.ModuleList()
        for level, m in enumerate(mult):
            stage = nn.Module()
            stage.block, stage.attn = nn.ModuleList(), nn.ModuleList()
            for _ in range(blocks):
                stage.block.append(ResBlock(c, m * ch, temb))
                c = m * ch
                skips.append(c)
                if size in config["attn_resolutions"]:
                    stage.attn.append(Attention(c))
            if level < len(mult) - 1:
                stage.downsample = Downsample(c)
                skips.append(c)
                size //= 2
            self.down.append(stage)

        self.mid = nn.Module()
        self.mid.block_1, self.mid.attn_1, self.mid.block_2 = ResBlock(c, c, temb), Attention(c), ResBlock(c, c, temb)

        up = []
        for level, m in reversed(list(enumerate(mult))):
            stage = nn.Module()
            stage.block, stage.attn = nn.ModuleList(), nn.ModuleList()
            for _ in range(blocks + 1):
                stage.block.append(ResBlock(c + skips.pop(), m * ch, temb))
                c = m * ch
                if size in config["attn_resolutions"]:
                    stage.attn.append(Attention(c))
            if level > 0:
                stage.upsample = Upsample(c)
                size *= 2
            up.insert(0, stage)
        self.up = nn.ModuleList(up)
        self.norm_out = norm(c)
        self.conv_out = nn.Conv2d(c, config["out_ch"], 3, padding=1)

    def embed(self, t):
        half = self.ch // 2
        freq = torch.exp(torch.arange(half, dtype=torch.float32, device=t.device) * (-math.log(10000.0) / (half - 1)))
        angle = t.float()[:, None] * freq[None]
        emb = torch.cat([angle.sin(), angle.cos()], dim=1)
        return self.temb.dense[1](F.silu(self.temb.dense[0](emb)))

    def encode(self, x, t):
        """Skips, time embedding and h (the output of mid.block_2)."""
        temb = self.embed(t)
        with torch.autocast(x.device.type, enabled=False):
            hs = [self.conv_in(x)]
        for level, stage in enumerate(self.down):
            for j, block in enumerate(stage.block):
                y = block(hs[-1], temb)
                hs.append(stage.attn[j](y) if len(stage.attn) else y)
            if hasattr(stage, "downsample"):
                hs.append(stage.downsample(hs[-1]))
        h = self.mid.block_2(self.mid.attn_1(self.mid.block_1(hs[-1], temb)), temb)
        return hs, temb, h

    def decode(self, hs, temb, h, t=None, lent=None, layouts=None):
        hs, y = list(hs), h
        kept = iter(self.kept(t, [s.shape[2] for s in reversed(hs)], lent))
        for level in reversed(range(len(self.up))):
            stage = self.up[level]
            for j, block in enumerate(stage.block):
                y = block(torch.cat([y, self.thinned(hs.pop(), next(kept), layouts)], dim=1), temb)
                if len(stage.attn):
                    y = stage.attn[j](y)
            if hasattr(stage, "upsample"):
                y = stage.upsample(y)
        with torch.autocast(y.device.type, enabled=False):
            return self.conv_out(norm_silu(self.norm_out, y.float()))

    @staticmethod
    def thinned(skip, kept, layouts=None):
        """The skip, and for the samples that lose it (`kept` 0) its mean over the pixels: what is where has to come by h,
        and the palette need not. Where `layouts` [n] names another sample (-1: none), the other's deviations from its own
        mean are added."""
        if kept is None:
            return skip
        mean = skip.mean((2, 3), keepdim=True)
        if layouts is None:
            return skip * kept + mean * (1 - kept)
        layout = (skip - mean).detach()[layouts] * (layouts >= 0)[:, None, None, None]
        return skip * kept + (mean + layout) * (1 - kept)

    def kept(self, t, sizes, lent):
        """For each skip None, or in training 1, and 0 for the samples that lose it: `skip_pictures` of the samples lose a
        random share of their skips, up to `skip_dropout` of those of a size, by `skip_ramp` fewer at low t. Samples whose h
        is `lent` by their twin lose all of that: with the skips at hand, the net would learn to ignore an h that knows less.
        The last skip, the output of conv_in with x itself on the linear path, is always there."""
        if not self.training or not self.skip_dropout or t is None:
            return [None] * len(sizes)
        share = torch.clamp(1 - torch.rand(len(t), device=t.device) / self.skip_pictures, min=0) * ramp(t, self.skip_ramp)
        if lent is not None:
            share = torch.where(lent, 1.0, share)
        kept = [torch.rand(len(t), device=t.device) >= share * self.skip_dropout.get(size, 0.0) for size in sizes[:-1]]
        return [*(k[:, None, None, None].to(torch.float32) for k in kept), None]

    def forward(self, x, t, h_of=None, layouts=None):
        """eps [n, 3, h, w] of x at t [n]. Sample i is decoded from the h of sample h_of[i] (its own by default), and in
        training the skips that it loses have the layout of sample layouts[i] (`thinned`)."""
        hs, temb, h = self.encode(x, t)
        if h_of is None:
            return self.decode(hs, temb, h, t)
        return self.decode(hs, temb, h[h_of], t, h_of != torch.arange(len(t), device=t.device), layouts)


@torch.no_grad()
def open_linear_path(net):
    """Sets some weights so that the untrained net answers eps = x to within a per cent, mean and scale included.

    x goes from conv_in over the last skip and shortcut to norm_out, in f32. There each colour z has two groups of two
    channels, {z, B - z} and {-z, B + z}: the group's mean is a constant, and B, large and fixed, sets its deviation, so
    the norm is linear in z; silu(z) - silu(-z) = z undoes the SiLU. B is 0 inside and 48 at the border, made from a
    constant channel by the zero padding of the last 3x3 convolution. What makes B is exact in bfloat16 and held, and no
    other input adds to those channels: their sums reach 144, where bfloat16 has steps of 1, so training would never see what
    it learned there, and f32 would.
    """
    block, colours, border = net.up[0].block[-1], 3, 48.0
    last = block.conv2.in_channels - 1
    skip = block.norm1.num_channels - net.ch
    for j in range(colours):
        net.conv_in.weight[j], net.conv_in.bias[j] = 0, 0
        net.conv_in.weight[j, j, 1, 1] = 1
    block.norm2.weight[last], block.norm2.bias[last] = 0, 1.2784645  # silu(1.278) = 1
    block.nin_shortcut.weight[: 4 * colours], block.nin_shortcut.bias[: 4 * colours] = 0, 0
    block.conv2.bias.zero_()
    net.conv_out.weight.zero_()
    net.conv_out.bias.zero_()
    held = torch.zeros(block.conv2.out_channels, dtype=torch.bool)
    for j in range(colours):
        for k, (z, b) in enumerate([(1, 0), (-1, 1), (-1, 0), (1, 1)]):
            channel = 4 * j + k
            block.nin_shortcut.weight[channel, skip + j] = z
            if b:
                block.conv2.weight[channel, last] = -border / 3
                block.conv2.bias[channel] = border * 3
                held[channel] = True
        net.conv_out.weight[j, 4 * j, 1, 1] = 1
        net.conv_out.weight[j, 4 * j + 2, 1, 1] = -1
    pattern = torch.zeros(64, 64)
    pattern[[0, -1], :] += border
    pattern[:, [0, -1]] += border
    pattern[[0, 0, -1, -1], [0, -1, 0, -1]] = border * 5 / 3
    deviation = (1 + pattern.square().mean() / 2 - pattern.mean() ** 2 / 4).sqrt()
    for j in range(2 * colours):
        net.norm_out.weight[2 * j], net.norm_out.bias[2 * j] = deviation, pattern.mean() / 2
    held, free = held.to(block.conv2.bias.device), torch.ones_like(block.conv2.weight)
    free[held] = 0
    block.conv2.weight.register_hook(lambda g: g * free)
    block.conv2.bias.register_hook(lambda g: g * ~held)
    const = torch.ones_like(block.norm2.weight)
    const[last] = 0
    block.norm2.weight.register_hook(lambda g: g * const)
    block.norm2.bias.register_hook(lambda g: g * const)


# ---- training ------------------------------------------------------------------------------------------------------


def eps_loss(error, snr, done):
    """Per picture: squared error at three scales, each weighted by what can be known of it at this signal-to-noise.

    A mean over k x k pixels, times k, has unit noise like a pixel has; the signal in it is `gain` times stronger. The
    weights grow from none (plain squared error) over the first part of the run, `done` in 0..1: given at once, the high t
    hold back all the rest (after 150 steps the error at t < 250 was 0.55, and 0.15 without).
    """
    ramp = min(1.0, max(0.0, (done - 0.08) / 0.25))
    total = torch.clamp(snr ** (-0.6 * ramp), 0.25, 60) * error.square().mean((1, 2, 3))
    for k, gain, share in ((8, 10.0, 0.03), (64, 360.0, 0.03)):
        s = gain * snr
        known = torch.clamp((1 + s) / s, max=60) * (1 + s) ** -0.25
        means = F.avg_pool2d(error, k) * k
        total = total + ramp * share * known * means.square().mean((1, 2, 3))
    return total


def unit_range(pictures):
    """Bytes [n, 64, 64, 3] as f32 [n, 3, 64, 64] in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


class Pictures:
    """The training pictures, bytes [count, 64, 64, 3] of several files: mapped from disk, or whole on the GPU."""

    def __init__(self, paths, device):
        self.files = [np.memmap(path, np.uint8, "r").reshape(-1, 64, 64, 3) for path in paths]
        self.on_gpu = torch.from_numpy(np.concatenate(self.files)).to(device) if device != "cpu" else None

    def draw(self, rng, count):
        """`count` pictures with replacement, f32 [count, 3, 64, 64]."""
        return self.rows(*self.places(rng, count))

    def draw_pairs(self, rng, twins):
        """Pairs of pictures, twins where `twins` [n] is true and strangers elsewhere: f32 [2 n, 3, 64, 64], all first ones
        before all second ones. Files of `draw.ts --twins` hold twins side by side."""
        files, rows = self.places(rng, 2 * len(twins))
        of_twin = np.flatnonzero(twins)
        files[len(twins) + of_twin], rows[len(twins) + of_twin] = files[of_twin], rows[of_twin] ^ 1
        return self.rows(files, rows)

    def places(self, rng, count):
        """The file and the row of each of `count` pictures."""
        lengths = [len(file) for file in self.files]
        files = rng.integers(len(lengths), size=count)
        return files, np.array([rng.integers(lengths[k]) for k in files])

    def rows(self, files, rows):
        if self.on_gpu is not None:
            starts = np.cumsum([0, *(len(file) for file in self.files)])[:-1]
            return unit_range(self.on_gpu[torch.from_numpy(starts[files] + rows).to(self.on_gpu.device)])
        return unit_range(torch.from_numpy(np.stack([self.files[k][row] for k, row in zip(files, rows)])))

    def block(self, rng, count):
        """A run of an even number of pictures that follow each other, at most `count`, twins side by side."""
        first = self.files[0] if self.on_gpu is None else self.on_gpu
        count = min(count, len(first)) & ~1
        start = rng.integers(max(1, len(first) - count)) & ~1
        rows = first[start : start + count]
        return unit_range(rows if self.on_gpu is not None else torch.from_numpy(np.array(rows)))


class Reference:
    """The posterior mean of x0 over a block of the data, for targets without needless variance (Xu et al. 2023, "Stable
    Target Field for Reduced Variance Score Estimation in Diffusion Models", eq. 4)."""

    SIZE = 1024

    def __init__(self, data, rng):
        self.pictures = data.block(rng, self.SIZE).flatten(1)
        self.squares = self.pictures.square().sum(1)
        twin = torch.arange(len(self.pictures)) ^ 1
        self.twins = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + twin]).to(self.pictures.device)

    def mean(self, x, x0, a, h_of=None):
        """E[x0 | x] [n, 3, 64, 64] over the block and each sample's own x0, at alpha_bar a [n, 1, 1, 1].

        Where h comes from another sample, the twin h_of[i], both noisy pictures are known: E[x0 | x, x of the twin]."""
        a = a.flatten()[:, None]
        own = (x * x0).sum((1, 2, 3))[:, None], x0.square().sum((1, 2, 3))[:, None]
        dots, squares = torch.cat([own[0], x.flatten(1) @ self.pictures.T], 1), self.squares.expand(len(x), -1)
        likelihood = (a.sqrt() * dots - a / 2 * torch.cat([own[1], squares], 1)) / (1 - a)
        if h_of is not None:
            other = (h_of != torch.arange(len(x), device=x.device))[:, None]
            likelihood = likelihood + other * likelihood[h_of][:, self.twins]
        weight = torch.softmax(likelihood, 1)
        mean = weight[:, :1] * x0.flatten(1) + weight[:, 1:] @ self.pictures
        return mean.view_as(x0)


def ema_decay(step):
    return min(0.999, (1 + step) / (20 + step))


class Flat:
    """All parameters of a net as one vector: the parameters become views of it, in the net's order."""

    def __init__(self, net):
        self.net = net.to(memory_format=torch.contiguous_format)
        self.vector = nn.utils.parameters_to_vector(net.parameters()).detach()
        offset = 0
        for p in net.parameters():
            p.data = self.vector[offset : offset + p.numel()].view(p.shape)
            offset += p.numel()

    def gradient(self):
        return nn.utils.parameters_to_vector([p.grad for p in self.net.parameters()])


class Shared:
    """What all workers read and write: weights, their average, Adam's moments, counters. In shared memory, or on the GPU
    that the one worker computes on."""

    def __init__(self, vector, workers):
        self.gradients = torch.zeros(workers, len(vector), device=vector.device).share_memory_()
        self.weights, self.ema = vector.clone().share_memory_(), vector.clone().share_memory_()
        self.m, self.v = (torch.zeros_like(vector).share_memory_() for _ in range(2))
        self.step = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.spent = torch.zeros(1, dtype=torch.float64).share_memory_()
        self.errors = torch.zeros(workers, 2, 4).share_memory_()  # sums and counts per quarter of t, since the last log line

    NAMES = ("weights", "ema", "m", "v", "step", "spent")

    def save(self, path):
        torch.save({name: getattr(self, name).cpu() for name in self.NAMES}, path + ".new")
        os.replace(path + ".new", path)

    def load(self, path):
        for name, value in torch.load(path, map_location="cpu").items():
            getattr(self, name).copy_(value)

    def adam(self, rank, lr, beta1=0.9, beta2=0.98, eps=1e-8):
        """One step of Adam with the workers' mean gradient, clipped to norm 1. Each worker steps its part of the weights."""
        workers, n = len(self.gradients), self.step.item() + 1
        g = self.gradients.mean(0)
        length = g.norm()
        if not torch.isfinite(length):
            return
        size = -(-len(g) // workers)
        part = slice(rank * size, (rank + 1) * size)
        g = g[part].mul_(torch.clamp(1 / (length + 1e-6), max=1))
        m, v, weights = self.m[part], self.v[part], self.weights[part]
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        weights.addcdiv_(m, (v / (1 - beta2**n)).sqrt_().add_(eps), value=-lr / (1 - beta1**n))
        self.ema[part].lerp_(weights, 1 - ema_decay(n))


def train(args):
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    os.makedirs(args.work, exist_ok=True)
    net = UNet(args.config)
    open_linear_path(net)
    if args.init:
        tensors, metadata = read_safetensors(args.init)
        net.load_state_dict(tensors)
    shared = Shared(Flat(net.to(args.device)).vector, args.workers)
    if args.init:
        shared.step += int(metadata["steps"])
        shared.spent += float(metadata["minutes"]) * 60
    last = os.path.join(args.work, "last.pt")
    if args.resume and os.path.exists(last):
        shared.load(last)
    print(f"{len(shared.weights)} parameters, from step {shared.step.item()}", flush=True)
    context = torch.multiprocessing.get_context("spawn")
    barrier = context.Barrier(args.workers)
    others = [
        context.Process(target=work, args=(rank, args, shared, barrier), daemon=True)
        for rank in range(1, args.workers)
    ]
    for process in others:
        process.start()
    work(0, args, shared, barrier)
    for process in others:
        process.terminate()
        process.join()
    shared.save(last)
    print(f"done: {shared.step.item()} steps, {shared.spent.item() / 60:.1f} minutes", flush=True)


def keep_memory():
    """Has the C library keep freed memory instead of returning it to the system. Otherwise every activation of every step
    is mapped anew and zeroed page by page: on a virtual machine a step took 1.3 to 2.3 times as long."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # another C library, with other rules
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    for parameter, value in ((mmap_threshold, 1 << 25), (trim_threshold, (1 << 31) - 1), (top_pad, 1 << 28)):
        libc.mallopt(parameter, value)


def batch_of(args, data, rng):
    """Pictures f32 [n, 3, 64, 64], their t, and the `h_of` and `layouts` of `UNet.forward`, each [n]."""
    n, count = args.batch, args.batch // 2 if args.twins else args.batch
    device = torch.device(args.device)
    # one t from each of `count` equal slices, densest where the shape of a face is decided
    u = (np.arange(count) + rng.random(count)) / count
    t = np.interp(u, (0, 0.15, 0.75, 1), (0, 200, 700, T - 1e-6)).astype(np.int64)
    flip = rng.random(count) < 0.5
    h_of, layouts = np.arange(n), np.full(n, -1)
    if args.twins:  # pairs of one t: twins, which swap their h, or strangers, which swap layouts
        twins = rng.random(count) < args.twins * ramp(t, args.skip_ramp)
        x0, t, flip, twins = data.draw_pairs(rng, twins), np.tile(t, 2), np.tile(flip, 2), np.tile(twins, 2)
        other = (h_of + count) % n
        h_of = np.where(twins, other, h_of)
        layouts = np.where(~twins & (rng.random(n) < args.strangers), other, layouts)
    else:
        x0 = data.draw(rng, n)
    x0[flip] = x0[flip].flip(3)
    return x0, *(torch.from_numpy(values).to(device) for values in (t, h_of, layouts))


def work(rank, args, shared, barrier):
    """Runs one worker. One that fails ends the others, which would wait for it."""
    try:
        take_steps(rank, args, shared, barrier)
    except BaseException:
        barrier.abort()
        raise


def take_steps(rank, args, shared, barrier):
    """One worker, one thread: its share of the batch, then its share of Adam. On two shared cores this is faster than one
    worker with two threads, which wait for each other in every layer. The workers keep step: gradients that were a step old
    let the error at t > 500 grow fourfold within 100 steps."""
    torch.set_num_threads(1)
    keep_memory()
    Conv3x3.bfloat16 = args.bfloat16
    if args.device == "cpu":
        compile_fused(args.work, rank)
    start = shared.step.item()
    torch.manual_seed(args.seed + 1000 * start + rank)
    rng = np.random.default_rng([args.seed, start, rank])
    data = Pictures(args.data, args.device)
    dropout = {size: share * args.skip_dropout for size, share in SKIP_SHARES.items()}
    net = UNet(args.config, dropout, args.skip_pictures, args.skip_ramp)
    device = torch.device(args.device)
    open_linear_path(net.to(device))
    flat = Flat(net)
    alpha_bar = torch.tensor(ALPHA_BAR, dtype=torch.float32, device=device)
    snr = alpha_bar / (1 - alpha_bar)
    reference = None
    budget, saved_at, tick, parent = args.minutes * 60, shared.spent.item(), time.monotonic(), os.getppid()
    began = shared.spent.item() if args.restart_schedule else 0
    while shared.spent.item() < budget and (rank == 0 or os.getppid() == parent):
        flat.vector.copy_(shared.weights)
        if shared.step.item() % 100 == 0 or reference is None:
            reference = Reference(data, rng)
        x0, t, h_of, layouts = batch_of(args, data, rng)
        eps = torch.randn(x0.shape, device=device)
        a = alpha_bar[t][:, None, None, None]
        x = (a.sqrt() * x0 + (1 - a).sqrt() * eps).contiguous(memory_format=torch.channels_last)
        noisy = t >= 600
        if noisy.any():
            place = noisy.cumsum(0) - 1  # twins have one t: both are among the noisy, or neither
            mean = reference.mean(x[noisy], x0[noisy], a[noisy], place[h_of[noisy]])
            eps[noisy] = (x[noisy] - a[noisy].sqrt() * mean) / (1 - a[noisy]).sqrt()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            error = net(x, t, h_of, layouts) - eps
        net.zero_grad(set_to_none=True)
        done = min(1.0, (shared.spent.item() - began) / (budget - began))
        eps_loss(error, snr[t], 1 if args.restart_schedule else done).mean().backward()
        quarter = (t * 4 // T).cpu()
        with torch.no_grad():
            shared.errors[rank, 0].index_add_(0, quarter, error.square().mean((1, 2, 3)).cpu())
            shared.errors[rank, 1].index_add_(0, quarter, torch.ones(len(t)))
            shared.gradients[rank].copy_(flat.gradient())
            barrier.wait()
            lr = args.lr * min(1, (shared.step.item() + 1) / 100) * max(0.001, 0.5 + 0.5 * math.cos(math.pi * done))
            shared.adam(rank, lr)
            barrier.wait()
        if rank == 0:
            now = time.monotonic()
            shared.step += 1
            shared.spent += min(now - tick, 10.0)  # a stopped process does not count as training
            tick = now
            if shared.step.item() % 50 == 0:
                log(args.work, shared, lr)
            if shared.spent.item() - saved_at > 180:
                saved_at = shared.spent.item()
                shared.save(os.path.join(args.work, "last.pt"))
        barrier.wait()  # step, time and weights are whole


def log(folder, shared, lr):
    """Appends step, seconds, learning rate and the mean squared error of eps for each quarter of t."""
    sums, counts = shared.errors.sum(0)
    means = (sums / counts).tolist()
    shared.errors.zero_()
    with open(os.path.join(folder, "log.csv"), "a", newline="") as file:
        row = [shared.step.item(), f"{shared.spent.item():.0f}", f"{lr:.2e}", *(f"{m:.5f}" for m in means)]
        csv.writer(file).writerow(row)


# ---- export --------------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".new", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.tobytes())
    os.replace(path + ".new", path)


def read_safetensors(path):
    """Tensors, in f32, and metadata of a file that `export` wrote."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    metadata = header.pop("__metadata__")
    tensors = {
        name: torch.from_numpy(np.frombuffer(data[slice(*e["data_offsets"])], "<f2").reshape(e["shape"]).astype("<f4"))
        for name, e in header.items()
    }
    return tensors, metadata


def export(args):
    net = UNet(args.config)
    shared = Shared(Flat(net).vector, 1)
    shared.load(os.path.join(args.work, "last.pt"))
    nn.utils.vector_to_parameters(shared.ema, net.parameters())
    tensors = {k: np.ascontiguousarray(v.numpy().astype("<f2")) for k, v in net.state_dict().items()}
    with open(__file__, "rb") as file:
        script = hashlib.sha256(file.read()).hexdigest()
    metadata = {
        "name": "portraits64",
        "layout": "ddpm",
        "config": json.dumps(args.config),
        "parameters": str(sum(v.size for v in tensors.values())),
        "data": args.data_note,
        "steps": str(shared.step.item()),
        "minutes": f"{shared.spent.item() / 60:.0f}",
        "weights": "EMA",
        "train.py": f"sha256:{script}",
        "license": "MIT",
    }
    write_safetensors(args.out, tensors, metadata)
    print(f"{args.out}: {os.path.getsize(args.out)} bytes, step {shared.step.item()}")


def plot(args):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "portraits64"
    import matplotlib.pyplot as plt

    rows = np.loadtxt(os.path.join(args.work, "log.csv"), delimiter=",", ndmin=2)
    width = 10
    fig, axes = plt.subplots(figsize=(7, 3.6))
    for q, colour in enumerate(["#4269d0", "#3ca951", "#efb118", "#ff725c"]):
        smooth = np.convolve(rows[:, 3 + q], np.ones(width) / width, "valid")
        axes.semilogy(rows[width - 1 :, 0], smooth, color=colour, label=f"t {q * 250}..{q * 250 + 249}")
    axes.set(xlabel="step", ylabel="squared error of eps")
    axes.legend(frameon=False)
    axes.grid(alpha=0.25, which="both")
    fig.tight_layout()
    fig.savefig(args.out, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("train")
    p.add_argument("--data", nargs="+", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--minutes", type=float, default=105, help="wall time of all stretches; schedules the learning rate")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--skip-dropout", type=float, default=0.95)
    p.add_argument("--skip-pictures", type=float, default=0.5, help="share of the pictures that lose skips")
    p.add_argument(
        "--skip-ramp",
        type=int,
        nargs=2,
        default=(300, 600),
        metavar="T",
        help="skips are lost from the first t, in full at the second",
    )
    p.add_argument(
        "--twins",
        type=float,
        default=0,
        metavar="SHARE",
        help="share of the pictures whose h is their twin's, at high t; the data are of draw.ts --twins",
    )
    p.add_argument(
        "--strangers",
        type=float,
        default=0,
        metavar="SHARE",
        help="with --twins: share of the other pictures whose lost skips show what is where in another picture",
    )
    p.add_argument("--init", help="an exported file to go on from, at its step and minute, with fresh moments")
    p.add_argument("--device", default="cpu", help="cuda: with --workers 1, and a batch of 64 or more")
    p.add_argument(
        "--restart-schedule",
        action="store_true",
        help="the rate's cosine runs over the minutes that are left, and the loss is weighted in full from the start",
    )
    p.add_argument("--bfloat16", action="store_true", help="bfloat16 3x3 convolutions, where the processor has them")
    p.add_argument("--workers", type=int, default=2, help="processes of one thread each, one per core; each adds a batch")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--resume", action="store_true")
    mult = ",".join(map(str, CONFIG["ch_mult"]))
    p.add_argument("--mult", default=mult, help="ch_mult of the network")
    for name in ("export", "plot"):
        p = commands.add_parser(name)
        p.add_argument("--work", required=True)
        p.add_argument("--out", required=True)
        if name == "export":
            p.add_argument("--mult", default=mult, help="as given to train")
            p.add_argument("--data-note", default=DATA_NOTE, help="what the file says it was trained on")
    args = parser.parse_args()
    if args.command != "plot":
        args.config = {**CONFIG, "ch_mult": [int(m) for m in args.mult.split(",")]}
    {"train": train, "export": export, "plot": plot}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
