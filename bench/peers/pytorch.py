"""python3 bench/peers/pytorch.py [--model celebahq|portraits64|ddpm32] [--batch N] [--device cuda|cpu] [--runs N]
                                [--filter REGEXP]

One forward of a DDPM U-Net in PyTorch, random weights, in every mode that PyTorch offers for it: f32, f32 with TF32 allowed,
and f16; contiguous and channels_last; eager, as a CUDA graph, and by torch.compile(mode="max-autotune"). Best and median
milliseconds from input to output on the device, one JSON object a line. Every output is compared with eager f32 first: a
mode that is off by more than its number format explains is printed as wrong, without a time. The network is
weights/train.py's, which has the official code's layout.
"""

import argparse
import copy
import itertools
import json
import re
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "weights"))
import train  # noqa: E402

CONFIGS = {
    "celebahq": {"resolution": 256, "ch": 128, "ch_mult": [1, 1, 2, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [16]},
    "portraits64": {},
    "ddpm32": {"resolution": 32, "ch": 64, "ch_mult": [1, 2, 2], "num_res_blocks": 2, "attn_resolutions": [16]},
}

# Root mean square of the difference to eager f32, over that of the output.
TOLERANCE = {"f32": 1e-4, "TF32": 1e-2, "f16": 1e-2}


def norm_silu(layer, x, act=True):
    y = F.group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps)
    return F.silu(y) if act else y


def halved(net):
    """Weights and activations in f16; the last norm and convolution in f32, as the model's own decode has them."""
    net = net.half()
    net.norm_out.float(), net.conv_out.float()
    net.temb.dense[0].register_forward_pre_hook(lambda _, inputs: tuple(x.half() for x in inputs))
    return net


def graphed(net, x, t):
    """The forward as one CUDA graph, replayed on x."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            net(x, t)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = net(x, t)

    def forward():
        graph.replay()
        return y

    return forward


def prepared(net, x, t, precision, layout, how):
    """The forward of one mode, as a function without arguments."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "TF32"
    net = copy.deepcopy(net)
    if precision == "f16":
        net, x = halved(net), x.half()
    if layout == "channels_last":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if how == "CUDA graph":
        return graphed(net, x, t)
    if how == "compiled":
        net = torch.compile(net, mode="max-autotune")
    return lambda: net(x, t)


def modes(device):
    on_gpu = device == "cuda"
    runners = ["eager", *(["CUDA graph"] if on_gpu else []), *(["compiled"] if hasattr(torch, "compile") else [])]
    precisions = ["f32", "TF32", "f16"] if on_gpu else ["f32"]
    return itertools.product(precisions, ["contiguous", "channels_last"], runners)


def measure(forward, device, runs):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        forward()
    wait()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        forward()
        wait()
        times.append((time.perf_counter() - began) * 1e3)
    return {"minMs": min(times), "ms": statistics.median(times)}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="celebahq", choices=CONFIGS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--filter", default="", help="only modes whose name matches")
    args = parser.parse_args()
    train.norm_silu = norm_silu
    config = {**train.CONFIG, **CONFIGS[args.model]}
    net = train.UNet(config).to(args.device).eval()
    for name, parameter in net.named_parameters():  # new blocks answer 0: nothing would be compared
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=(parameter[0].numel()) ** -0.5)
    x = torch.randn(args.batch, 3, config["resolution"], config["resolution"], device=args.device)
    t = torch.full((args.batch,), 500, device=args.device)
    name = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    about = {"model": args.model, "batch": args.batch, "device": name, "torch": torch.__version__}

    expected = prepared(net, x, t, "f32", "contiguous", "eager")().float()
    for precision, layout, how in modes(args.device):
        kind = f"{precision} {layout} {how}"
        if not re.search(args.filter, kind):
            continue
        try:
            forward = prepared(net, x, t, precision, layout, how)
            error = ((forward().float() - expected).square().mean() / expected.square().mean()).sqrt().item()
            if error <= TOLERANCE[precision]:
                told = {"relativeError": error, **measure(forward, args.device, args.runs)}
            else:
                told = {"wrong": f"off by {error:.1e}, allowed {TOLERANCE[precision]}"}
        except Exception as failure:  # of one mode: the others still count
            told = {"wrong": str(failure).split("\n", 1)[0]}
        print(json.dumps({**about, "kind": kind, **told}), flush=True)


if __name__ == "__main__":
    main()
