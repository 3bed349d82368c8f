#!/usr/bin/env python3
"""The nets of bench/nets.c in PyTorch: prints the median and the least time of a training step.

usage: torch_nets.py residual|mlp BATCH THREADS SECONDS

A step is what Ballast's is: forward with batch statistics and dropout, loss, gradients, their norm
(clipped in the residual net), optimiser. The optimisers run in their fused form where this PyTorch has
one for the CPU, else for-each."""
import statistics
import sys
import time

import torch
from torch import nn


def dense(inputs, outputs, activation, dropout):
    parts = [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), activation()]
    return nn.Sequential(*parts, *([nn.Dropout(dropout)] if dropout else []))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        leaky = lambda: nn.LeakyReLU(0.01)
        self.stem = dense(640, 3000, leaky, 0)
        self.blocks = nn.ModuleList(dense(3000, 3000, leaky, 0.3) for _ in range(3))
        self.out = nn.Linear(3000, 320)
        self.head = nn.Sequential(
            dense(320, 256, leaky, 0.3), dense(256, 64, leaky, 0.3), nn.Linear(64, 4)
        )

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.out(x))


def mlp():
    return nn.Sequential(
        dense(126, 512, nn.ReLU, 0.4),
        dense(512, 256, nn.ReLU, 0.3),
        dense(256, 128, nn.ReLU, 0.2),
        nn.Linear(128, 197),
    )


def optimizer(net, residual):
    kind = torch.optim.AdamW if residual else torch.optim.Adam
    options = {"lr": 1e-3, "weight_decay": 0.01 if residual else 0.0}
    try:
        return kind(net.parameters(), fused=True, **options)
    except (RuntimeError, TypeError):
        return kind(net.parameters(), foreach=True, **options)


def main():
    name, batch, threads, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    if threads > 0:
        torch.set_num_threads(threads)
    torch.manual_seed(1)
    residual = name == "residual"
    net = Residual() if residual else mlp()
    features, classes = (640, 4) if residual else (126, 197)
    update = optimizer(net, residual)
    batches = [
        (torch.rand(batch, features) * 2 - 1, torch.randint(classes, (batch,))) for _ in range(4)
    ]
    limit = 1.0 if residual else float("inf")

    def step(i):
        x, labels = batches[i % 4]
        update.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), limit)
        update.step()
        return loss.item()

    for i in range(5):
        step(i)
    times = []
    begin = time.perf_counter()
    while len(times) < 10 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step(len(times))
        times.append(time.perf_counter() - start)
    print(f"{statistics.median(times):.9g} {min(times):.9g}")


if __name__ == "__main__":
    main()
