"""Train the network of TenSEAL's MNIST tutorial in PyTorch and export it to ONNX: all that `tacit import` needs.

    python train.py --data MNIST_DIR --out model.onnx [--epochs N]
"""

import argparse
import gzip
import math

import numpy as np
import torch
from torch import nn


class Square(nn.Module):  # the activation that encryption computes: one product
    def forward(self, x):
        return x * x


def idx(path):  # MNIST as it is distributed: IDX files, gzip
    with gzip.open(path) as file:
        data = file.read()
    sides = [int.from_bytes(data[4 * i : 4 * i + 4], "big") for i in range(1, data[3] + 1)]
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * len(sides)).reshape(sides).copy())


def load(folder, part):
    images = idx(f"{folder}/{part}-images-idx3-ubyte.gz").float().div(255).unsqueeze(1)
    return images, idx(f"{folder}/{part}-labels-idx1-ubyte.gz").long()


def train(model, images, labels, epochs, batch=64):
    steps = epochs * math.ceil(len(images) / batch)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # squares grow fast
            optimiser.step()
            schedule.step()


def scale(model, images, largest=8.0):
    """Scale the logits, which changes no label: the tutorial's moduli hold logits up to 2**(31 - 26) / 2 = 16."""
    with torch.no_grad():
        factor = largest / model(images).abs().max()
        model[-1].weight *= factor
        model[-1].bias *= factor


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True, help="folder with the four gzip-compressed IDX files of MNIST")
    options.add_argument("--out", default="model.onnx")
    options.add_argument("--epochs", type=int, default=10)
    args = options.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)  # the sums of one thread have one order
    model = nn.Sequential(
        nn.Conv2d(1, 4, kernel_size=7, stride=3), Square(),
        nn.Flatten(), nn.Linear(256, 64), Square(), nn.Linear(64, 10))
    images, labels = load(args.data, "train")
    train(model, images, labels, args.epochs)
    scale(model, images)
    images, labels = load(args.data, "t10k")
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).sum().item()
    print(f"{right} of {len(images)} test images right in floating point")
    torch.onnx.export(model.eval(), images[:1], args.out, external_data=False, verbose=False)


if __name__ == "__main__":
    main()
