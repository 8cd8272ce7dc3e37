"""python3 bench/peers/pytorch.py [--model celebahq|portraits64|ddpm32] [--batch N] [--device cuda|cpu] [--runs N]

One forward of a DDPM U-Net in eager PyTorch, random weights: f32, f32 with TF32 allowed (PyTorch's default for cuDNN's
convolutions is allowed), f16 and f16 in channels_last. Best and median milliseconds from input to output on the device, one
JSON object a line. The network is weights/train.py's, which has the official code's layout.
"""

import argparse
import json
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


def norm_silu(layer, x, act=True):
    y = F.group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps)
    return F.silu(y) if act else y


def halved(net):
    """Weights and activations in f16; the last norm and convolution in f32, as the model's own decode has them."""
    net = net.half()
    net.norm_out.float(), net.conv_out.float()
    net.temb.dense[0].register_forward_pre_hook(lambda _, inputs: tuple(x.half() for x in inputs))
    return net


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
    args = parser.parse_args()
    train.norm_silu = norm_silu
    config = {**train.CONFIG, **CONFIGS[args.model]}
    net = train.UNet(config).to(args.device).eval()
    x = torch.randn(args.batch, 3, config["resolution"], config["resolution"], device=args.device)
    t = torch.full((args.batch,), 500, device=args.device)
    name = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    about = {"model": args.model, "batch": args.batch, "device": name, "torch": torch.__version__}

    def report(kind, net, x):
        print(json.dumps({**about, "kind": kind, **measure(lambda: net(x, t), args.device, args.runs)}), flush=True)

    for kind, allowed in (("f32", False), ("f32, TF32 allowed", True)):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
        report(kind, net, x)
    if args.device == "cuda":
        net = halved(net)
        report("f16", net, x.half())
        report("f16 channels_last", net.to(memory_format=torch.channels_last), x.half().to(memory_format=torch.channels_last))


if __name__ == "__main__":
    main()
