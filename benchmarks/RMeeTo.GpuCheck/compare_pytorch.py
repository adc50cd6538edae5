#!/usr/bin/env python3
"""Times a Vision Mamba in PyTorch, dense and with merged tokens, as RMeeTo.GpuCheck times ours: same shapes, same batch, samples of all cases in turn.

The network is a plain one, written for this comparison: forward and backward by autograd. The selective scan is that of mamba_ssm where it can be
imported (selective_scan_fn), else a loop over the tokens in PyTorch operators; the convolution that of causal_conv1d, else torch's conv1d. The output says
which. One JSON object is written to standard output, everything else to standard error.
"""
import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    SCAN = "mamba_ssm selective_scan_fn"
except Exception:  # absent, or built for another torch or GPU
    selective_scan_fn = None
    SCAN = "loop over tokens in PyTorch operators"
try:
    from causal_conv1d import causal_conv1d_fn
    CONVOLUTION = "causal_conv1d"
except Exception:
    causal_conv1d_fn = None
    CONVOLUTION = "torch conv1d and silu"

MODELS = {"Vim-Ti": 192, "Vim-S": 384}
EPSILON = 1e-5


def scan(u, delta, a, b, c, d, z, bias):
    """u, delta, z [B, D, L]; a [D, N]; b, c [B, N, L]; d, bias [D] -> [B, D, L]"""
    if selective_scan_fn is not None:
        return selective_scan_fn(u, delta, a, b, c, d.float(), z=z, delta_bias=bias.float(), delta_softplus=True)
    kind = u.dtype
    u, delta, b, c = u.float(), F.softplus(delta.float() + bias.float()[:, None]), b.float(), c.float()
    state = u.new_zeros(u.shape[0], u.shape[1], a.shape[1])
    outputs = []
    for t in range(u.shape[2]):
        step = delta[:, :, t, None]
        state = torch.exp(step * a) * state + step * b[:, None, :, t] * u[:, :, t, None]
        outputs.append((state * c[:, None, :, t]).sum(-1))
    y = torch.stack(outputs, 2) + d.float()[:, None] * u
    return (y * F.silu(z.float())).to(kind)


def convolve(x, weight, bias):
    """x [B, D, L], causal along L, then SiLU"""
    if causal_conv1d_fn is not None:
        return causal_conv1d_fn(x, weight.to(x.dtype), bias.to(x.dtype), activation="silu")
    return F.silu(F.conv1d(F.pad(x, (weight.shape[1] - 1, 0)), weight[:, None, :], bias, groups=x.shape[1]))


def parameter(*shape, scale=0.02):
    return torch.nn.Parameter(torch.randn(*shape) * scale)


def rms_norm(x, weight):
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * weight


class Direction(torch.nn.Module):
    def __init__(self, inner, states, rank):
        super().__init__()
        self.rank, self.states = rank, states
        self.conv, self.conv_bias = parameter(inner, 4, scale=0.3), parameter(inner)
        self.x_proj = torch.nn.Linear(inner, rank + 2 * states, bias=False)
        self.dt_proj, self.dt_bias = torch.nn.Linear(rank, inner, bias=False), torch.nn.Parameter(torch.full((inner,), -4.0))
        self.a_log = torch.nn.Parameter(torch.log(torch.arange(1, states + 1).float()).repeat(inner, 1))
        self.skip = torch.nn.Parameter(torch.ones(inner))

    def forward(self, x, z):
        u = convolve(x, self.conv, self.conv_bias)
        delta, b, c = self.x_proj(u.transpose(1, 2)).split([self.rank, self.states, self.states], -1)
        delta = self.dt_proj(delta).transpose(1, 2)
        return scan(u, delta, -torch.exp(self.a_log.float()), b.transpose(1, 2).contiguous(), c.transpose(1, 2).contiguous(), self.skip, z, self.dt_bias)


class Block(torch.nn.Module):
    def __init__(self, width, states=16):
        super().__init__()
        inner = 2 * width
        self.norm = torch.nn.Parameter(torch.ones(width))
        self.in_proj = torch.nn.Linear(width, 2 * inner, bias=False)
        self.out_proj = torch.nn.Linear(inner, width, bias=False)
        self.directions = torch.nn.ModuleList(Direction(inner, states, (width + 15) // 16) for _ in range(2))

    def forward(self, residual):
        """residual [B, L, C] -> hidden [B, L, C]"""
        x, z = self.in_proj(rms_norm(residual, self.norm)).transpose(1, 2).chunk(2, 1)
        forward = self.directions[0](x.contiguous(), z.contiguous())
        backward = self.directions[1](x.flip(-1), z.flip(-1)).flip(-1)
        return self.out_proj(((forward + backward) / 2).transpose(1, 2))


def merge(hidden, residual, sizes, position, removed):
    """Removes tokens: every even patch row looks for its most similar odd one, and the most similar of them are added to those, by size."""
    batch, length, _ = hidden.shape
    removed = min(removed, (length - 1) // 2)
    patches = torch.cat([torch.arange(position), torch.arange(position + 1, length)]).to(hidden.device)
    with torch.no_grad():
        metric = F.normalize(hidden[:, patches].float(), dim=-1)
        best, partner = (metric[:, ::2] @ metric[:, 1::2].transpose(1, 2)).max(-1)
        order = torch.sort(best, dim=-1, descending=True, stable=True).indices
        source = order[:, :removed]
        target = 2 * partner.gather(1, source) + 1
        stays = torch.ones(batch, length - 1, dtype=torch.bool, device=hidden.device).scatter_(1, 2 * source, False)
        kept = torch.sort(stays.float(), dim=-1, descending=True, stable=True).indices[:, :length - 1 - removed]
    place = position * (length - removed) // length

    def rows(v, weights):
        v = v * weights
        tokens, width = v[:, patches], v.shape[-1]
        moved = tokens.gather(1, (2 * source)[..., None].expand(-1, -1, width))
        tokens = tokens.scatter_add(1, target[..., None].expand(-1, -1, width), moved).gather(1, kept[..., None].expand(-1, -1, width))
        return torch.cat([tokens[:, :place], v[:, position:position + 1], tokens[:, place:]], 1)

    new_sizes = rows(torch.ones_like(sizes), sizes)
    return rows(hidden, sizes) / new_sizes, rows(residual, sizes) / new_sizes, new_sizes, place


class Vim(torch.nn.Module):
    def __init__(self, width, depth=24, image=224, patch=16, classes=1000):
        super().__init__()
        self.patch = torch.nn.Conv2d(3, width, patch, patch)
        self.places = (image // patch) ** 2
        self.class_token, self.positions = parameter(1, 1, width), parameter(1, self.places + 1, width)
        self.blocks = torch.nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = torch.nn.Parameter(torch.ones(width))
        self.head = torch.nn.Linear(width, classes)

    def forward(self, images, removed=0):
        x = self.patch(images).flatten(2).transpose(1, 2)
        position = self.places // 2
        token = self.class_token.expand(len(x), -1, -1)
        residual, hidden = torch.cat([x[:, :position], token, x[:, position:]], 1) + self.positions, None
        sizes = residual.new_ones(residual.shape[0], residual.shape[1], 1)
        for i, block in enumerate(self.blocks):
            if removed > 0 and i >= 2 and i % 2 == 0:
                hidden, residual, sizes, position = merge(hidden, residual, sizes, position, removed)
            residual = residual.float() if hidden is None else residual + hidden
            hidden = block(residual)
        return self.head(rms_norm((residual + hidden)[:, position], self.norm))


class Case:
    def __init__(self, model, width, removed, training, precision, batch, device):
        self.name, self.removed, self.training, self.precision, self.device = model, removed, training, precision, device
        self.net = Vim(width).to(device)
        self.images, self.labels = torch.randn(batch, 3, 224, 224, device=device), torch.arange(batch, device=device) % 1000
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-4) if training else None
        self.seconds, self.repetitions = [], 1

    def run(self):
        tf32 = self.precision == "TensorFloat32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "BFloat16"), torch.set_grad_enabled(self.training):
            logits = self.net(self.images, self.removed)
            if self.training:
                loss = F.cross_entropy(logits.float(), self.labels)
        if self.training:
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()

    def sample(self, seconds):
        while True:
            wait(self.device)
            start = time.perf_counter()
            for _ in range(self.repetitions):
                self.run()
            wait(self.device)
            taken = time.perf_counter() - start
            if taken >= seconds:
                self.seconds.append(taken / self.repetitions)
                return
            self.repetitions = max(2 * self.repetitions, int(1.2 * self.repetitions * seconds / taken))

    def result(self, batch):
        median = sorted(self.seconds)[len(self.seconds) // 2]
        return {"model": self.name, "removed": self.removed, "kind": "training" if self.training else "inference", "precision": self.precision,
                "imagesPerSecond": batch / median, "milliseconds": 1e3 * median}


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(arguments, device, results, model, training, precision):
    ratios = arguments.training_ratios if training else arguments.ratios
    for group in ([[r] for r in ratios] if training else [ratios]):  # in training each by itself: activations need the memory
        cases = []
        try:
            cases = [Case(model, MODELS[model], removed, training, precision, arguments.batch, device) for removed in group]
            for case in cases:
                for _ in range(2):
                    case.run()
            for _ in range(arguments.rounds):
                for case in cases:
                    case.sample(arguments.seconds)
            results += [case.result(arguments.batch) for case in cases]
        except torch.cuda.OutOfMemoryError as error:
            print(f"{model} {group} {precision}: {error}", file=sys.stderr)
        del cases
        if device.type == "cuda":
            torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--ratios", nargs="+", type=int, default=[0, 5, 10, 11, 15, 20])
    parser.add_argument("--training-ratios", nargs="*", type=int, default=[0, 5, 11])
    parser.add_argument("--precisions", nargs="+", default=["Float32", "TensorFloat32", "BFloat16"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    device, results = torch.device(arguments.device), []
    for model in arguments.models:
        for precision in arguments.precisions:
            measure(arguments, device, results, model, False, precision)
            if arguments.training_ratios:
                measure(arguments, device, results, model, True, precision)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": name, "scan": SCAN, "convolution": CONVOLUTION, "results": results}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
