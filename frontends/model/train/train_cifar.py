"""Train the CIFAR-10 network: two convolutions and two squares, in integer arithmetic.

    x  = round_half_even(pixel / 16)                         3 x 32 x 32
    c1 = conv 8x8, stride 2, padding 3 (x) + b1              64 x 16 x 16
    c2 = conv 6x6, stride 2, padding 2 (c1 * c1) + b2        128 x 8 x 8
    y  = dense (c2 * c2) + b3                                10

Real weights are trained with batch norm before each square and after the last one; it folds into the linear layers next
to it.  Nothing is ever subtracted from an input of a convolution, so its zero padding stays zero when integers take
over.  The training runs in two phases:

1. the second convolution and the dense layer see their input through an average pool of 2x2 values.  That is the same
   network with weights that agree within blocks of 2x2, at a third of the time;
2. the blocks come apart: all weights are free.

    python train_cifar.py --data CIFAR_FOLDER --out ../models/cifar.safetensors
"""

from __future__ import annotations

import argparse
import io
import math
import platform
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from integers import (Array, Conv2d, Dense, IntegerModel, Split, Square, centre_logits, declared_bound, describe,
                      evaluate, logit_tolerance, summary, write_tolerance)

LEVELS = 16  # an input is a pixel over 16, rounded
MAPS = (64, 128)
KERNELS = (8, 6)
PADDING = (3, 2)
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLASSES = len(LABELS)
VALIDATION = 2000  # exact training images that are held out


# --------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------


def read_records(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 3, 32, 32] and labels of a file in the binary layout of CIFAR-10."""
    records = np.fromfile(path, np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def read_jpeg(path: Path) -> np.ndarray:
    """Images of an archive of JPEG files, in the order of their names, which begin with their number."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        pictures = (Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names)
        return np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures])


def held_out(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the exact images that are held out, and of those that are kept: a fixed permutation."""
    order = np.random.default_rng(12345).permutation(count)
    return order[:VALIDATION], order[VALIDATION:]


class Data:
    """Training, validation and test images as tensors of bytes.

    The validation images are exact ones, chosen by a fixed permutation; their JPEG versions are held out with them.
    """

    def __init__(self, folder: Path) -> None:
        jpeg = read_jpeg(folder / "train_jpeg_50000.zip")
        labels = np.fromfile(folder / "train_labels_50000.u8", np.uint8)
        exact, _ = read_records(folder / "train_exact_7728.bin")
        index = np.loadtxt(folder / "train_exact_7728_indices.txt", dtype=np.int64)
        held, kept = held_out(len(exact))
        lossy = np.setdiff1d(np.arange(len(jpeg)), index[held])
        test = read_records(folder / "test_batch_first1000.bin")

        def split(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
            return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64))

        self.exact = split(exact[kept], labels[index[kept]])
        self.train = split(np.concatenate([jpeg[lossy], exact[kept]]),
                           np.concatenate([labels[lossy], labels[index[kept]]]))
        self.lossy = len(lossy)  # training images before this one went through JPEG
        self.validation = split(exact[held], labels[index[held]])
        self.lossy_validation = split(jpeg[index[held]], labels[index[held]])
        self.test = split(*test)
        # What JPEG took from the images of which both versions are known.
        self.residuals = torch.from_numpy(exact[kept].astype(np.int16) - jpeg[index[kept]])

    def splits(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact images only, of which the training images are a part of those trained on."""
        return {"train": self.exact, "validation": self.validation, "test": self.test}


def augment(data: Data, chosen: Tensor, options: argparse.Namespace) -> Tensor:
    """A batch: what JPEG takes from other images is added to some; then mirror images and shifts."""
    images = data.train[0][chosen].to(torch.int16)
    n = len(images)
    residuals = data.residuals[torch.randint(len(data.residuals), (n,))]
    add = (chosen < data.lossy) & (torch.rand(n) < options.residual)
    images = (images + residuals * add[:, None, None, None]).clamp_(0, 255).float()
    columns = torch.arange(32).expand(n, 32)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, 31 - columns)
    margin = options.shift
    padded = F.pad(images, [margin] * 4, mode="reflect")
    rows = torch.arange(32) + torch.randint(2 * margin + 1, (n, 1))
    columns = columns + torch.randint(2 * margin + 1, (n, 1))
    batch = torch.arange(n)[:, None, None, None]
    return padded[batch, torch.arange(3)[None, :, None, None], rows[:, None, :, None], columns[:, None, None, :]]


# --------------------------------------------------------------------------
# The real-valued network
# --------------------------------------------------------------------------


def quantised(images: Tensor) -> Tensor:
    """The inputs of the integer network, over their largest value."""
    return (images.float() * (LEVELS / 256)).round_() / LEVELS


class Net(nn.Module):
    """The network with batch norm.  Convolution weights are matrices: a row per map."""

    def __init__(self) -> None:
        super().__init__()
        self.pooled = True
        self.conv1 = nn.Parameter(torch.empty(MAPS[0], 3 * KERNELS[0] ** 2))
        self.conv2 = nn.Parameter(torch.empty(MAPS[1], MAPS[0] * (KERNELS[1] // 2) ** 2))
        self.dense = nn.Linear(MAPS[1] * 16, CLASSES)
        self.norm1, self.norm2 = nn.BatchNorm2d(MAPS[0]), nn.BatchNorm2d(MAPS[1])
        self.norm3 = nn.BatchNorm2d(MAPS[1], affine=False)
        nn.init.normal_(self.norm1.bias, std=0.7)
        nn.init.normal_(self.norm2.bias, std=0.7)
        nn.init.orthogonal_(self.conv2)
        nn.init.zeros_(self.dense.weight)

    def start_from(self, images: Tensor) -> None:
        """Begin with the principal components of the windows under the first convolution."""
        windows = F.unfold(quantised(images), KERNELS[0], stride=4).transpose(1, 2).reshape(-1, self.conv1.shape[1])
        windows = windows - windows.mean(0)
        components = torch.linalg.eigh(windows.T @ windows)[1].flip(1)[:, :MAPS[0]]
        self.conv1.data.copy_(components.T)

    def untie(self) -> None:
        """Let the blocks of 2x2 weights come apart.  Batch norm makes up for the scale of the convolution."""
        side = KERNELS[1] // 2
        conv2 = self.conv2.data.view(MAPS[1], MAPS[0], side, side)
        self.conv2 = nn.Parameter(blocks(conv2).reshape(MAPS[1], -1))
        dense = blocks(self.dense.weight.data.view(CLASSES, MAPS[1], 4, 4)) / 4
        self.dense.weight = nn.Parameter(dense.reshape(CLASSES, -1))
        self.pooled = False

    def forward(self, x: Tensor, dropout: float = 0.0) -> Tensor:
        x = F.conv2d(x, self.conv1.view(MAPS[0], 3, KERNELS[0], KERNELS[0]), stride=2, padding=PADDING[0])
        x = self.norm1(x).square()
        side = KERNELS[1] // 2 if self.pooled else KERNELS[1]
        weight = self.conv2.view(MAPS[1], MAPS[0], side, side)
        if self.pooled:
            x = F.conv2d(F.avg_pool2d(x, 2), weight, padding=PADDING[1] // 2)
        else:
            x = F.conv2d(x, weight, stride=2, padding=PADDING[1])
        x = self.norm3(self.norm2(x).square())
        if self.pooled:
            x = F.avg_pool2d(x, 2)
        return self.dense(F.dropout(x.flatten(1), dropout, self.training))


def blocks(weights: Tensor) -> Tensor:
    """Each weight of the last two axes as a block of 2x2."""
    return weights.repeat_interleave(2, -1).repeat_interleave(2, -2)


@torch.no_grad()
def settle(net: Net, images: Tensor) -> None:
    """Batch norm statistics of these images, exactly, instead of moving averages."""
    norms = (net.norm1, net.norm2, net.norm3)
    net.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for part in images.split(512):
        net(quantised(part))
    for norm in norms:
        norm.momentum = 0.1


@torch.no_grad()
def correct(net: Net, split: tuple[Tensor, Tensor]) -> int:
    """Rightly labelled images in floating point."""
    net.eval()
    found = [net(quantised(images)).argmax(1) for images in split[0].split(500)]
    return int((torch.cat(found) == split[1]).sum())


# --------------------------------------------------------------------------
# The integer network
# --------------------------------------------------------------------------


def convolve(values: Tensor, weight: Tensor, padding: int) -> Tensor:
    """A convolution with stride 2, a few images at a time."""
    return torch.cat([F.conv2d(part, weight, stride=2, padding=padding) for part in values.split(250)])


def round_convolution(values: Tensor, weight: Tensor, norm: nn.BatchNorm2d, rms: float,
                      padding: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Integer weights, biases, the factor from integers to what batch norm gives, and the integer outputs.

    Each map has a grid of its own, between equal weights and equal outputs of all maps: the layer behind makes up for
    the factors.  The statistics of batch norm are taken anew, with the rounded weights, so rounding shifts nothing.
    """
    size = weight.square().mean((1, 2, 3)).sqrt()
    spread = convolve(values[:300], weight, padding).std((0, 2, 3))
    weight = weight / (size * spread).sqrt()[:, None, None, None]
    rounded = torch.round(weight * (rms / weight.square().mean().sqrt())).clamp(-127, 127)
    outputs = convolve(values, rounded, padding)
    factor = norm.weight / outputs.std((0, 2, 3))
    bias = torch.round(norm.bias / factor - outputs.mean((0, 2, 3)))
    return rounded, bias, factor, outputs + bias[:, None, None]


@torch.no_grad()
def integer_model(net: Net, images: Tensor, options: argparse.Namespace) -> IntegerModel:
    """The network in integers, layer by layer: batch norm folds away, by its statistics on these images."""
    x = quantised(images) * LEVELS
    weight1 = net.conv1.view(MAPS[0], 3, KERNELS[0], KERNELS[0])
    conv1, bias1, factor1, c = round_convolution(x, weight1, net.norm1, options.conv1_rms, PADDING[0])
    weight2 = net.conv2.view(MAPS[1], MAPS[0], KERNELS[1], KERNELS[1]) * factor1.square()[:, None, None]
    conv2, bias2, _, c = round_convolution(c.square(), weight2, net.norm2, options.conv2_rms, PADDING[1])
    squares = c.double().square()
    # Nothing that is common to all classes decides.
    dense = net.dense.weight.double().view(CLASSES, MAPS[1], -1)
    dense = (dense - dense.mean(0)) / squares.std((0, 2, 3))[:, None]
    grid = options.dense_rms / dense.square().mean().sqrt()
    rounded = torch.round(dense * grid).clamp(-127, 127)
    bias = (net.dense.bias.double() - net.dense.bias.double().mean()) * grid
    bias3 = torch.round(bias - (rounded * squares.mean((0, 2, 3))[:, None]).sum((1, 2)))

    def integers(values: Tensor) -> Array:
        return values.double().numpy().astype(np.int64)

    layers = (Conv2d("conv1", integers(conv1), integers(bias1), 2, (PADDING[0],) * 4), Square("square1"),
              Conv2d("conv2", integers(conv2), integers(bias2), 2, (PADDING[1],) * 4), Square("square2"),
              Dense("dense1", integers(rounded.flatten(1)), integers(bias3)))
    return IntegerModel((3, 32, 32), LEVELS, 256, layers)


# --------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------


class Muon:
    """Momentum whose steps have singular values near one (Jordan et al. 2024), for the matrices of convolutions.

    Newton-Schulz iterations in float32; a step has a root mean square of 0.2 per unit of the rate.
    """

    def __init__(self, weights: list[nn.Parameter], rate: float, decay: float) -> None:
        self.moments = [(weight, torch.zeros_like(weight)) for weight in weights]
        self.param_groups = [{"lr": rate}]
        self.decay = decay

    @torch.no_grad()
    def step(self) -> None:
        rate = self.param_groups[0]["lr"]
        for weight, moment in self.moments:
            moment.mul_(0.9).add_(weight.grad)
            x = weight.grad + 0.9 * moment
            x = x / (x.norm() + 1e-7)
            for _ in range(5):
                gram = x @ x.T
                x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
            weight.mul_(1 - rate * self.decay).add_(x, alpha=-0.2 * rate * math.sqrt(max(weight.shape)))

    def zero_grad(self, **_: bool) -> None:
        for weight, _ in self.moments:
            weight.grad = None


class Optimiser:
    """Muon for the convolutions, AdamW for the rest; one factor scales all rates."""

    def __init__(self, net: Net, options: argparse.Namespace) -> None:
        norms = [*net.norm1.parameters(), *net.norm2.parameters()]
        self.parts = [
            Muon([net.conv1, net.conv2], options.conv_rate, options.conv_decay),
            torch.optim.AdamW([{"params": [*net.dense.parameters()], "weight_decay": options.dense_decay,
                                "lr": options.dense_rate / (1 if net.pooled else 4)},
                               {"params": norms, "lr": options.norm_rate, "weight_decay": 0.0}], betas=(0.9, 0.98)),
        ]
        self.groups = [(group, group["lr"]) for part in self.parts for group in part.param_groups]

    def step(self, factor: float) -> None:
        for group, rate in self.groups:
            group["lr"] = rate * factor
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)


def factor(done: float, options: argparse.Namespace) -> float:
    """Of the learning rates after `done` epochs: a short rise, a plateau, a linear fall to zero."""
    left = (options.epochs - done) / options.decay_epochs
    return max(0.0, min(1.0, done / 0.5 + 0.02, left))


def train(data: Data, options: argparse.Namespace) -> Net:
    """Both phases; prints the progress and keeps a checkpoint."""
    torch.manual_seed(options.seed)
    net = Net()
    net.start_from(data.exact[0][:2000])
    optimiser, start = Optimiser(net, options), time.monotonic()
    first = 0
    if options.resume and options.checkpoint.exists():
        state = torch.load(options.checkpoint)
        if not state["pooled"]:
            net.untie()
        net.load_state_dict(state["net"])
        first, optimiser = state["epochs"], Optimiser(net, options)
    count = len(data.train[1])
    steps = count // options.batch
    for epoch in range(first, options.epochs):
        if net.pooled and epoch >= options.epochs - options.free_epochs:
            net.untie()
            optimiser = Optimiser(net, options)
        net.train()
        order, total = torch.randperm(count), 0.0
        for step in range(steps):
            chosen = order[step * options.batch:(step + 1) * options.batch]
            images = quantised(augment(data, chosen, options)).contiguous(memory_format=torch.channels_last)
            logits = net(images, options.dropout)
            loss = F.cross_entropy(logits, data.train[1][chosen], label_smoothing=options.smoothing)
            loss.backward()
            optimiser.step(factor(epoch + step / steps, options))
            total += loss.item()
        state = {"net": net.state_dict(), "epochs": epoch + 1, "pooled": net.pooled}
        torch.save(state, options.checkpoint)
        settle(net, data.exact[0])
        print(f"epoch {epoch + 1}/{options.epochs}  loss {total / steps:.4f}  validation {correct(net, data.validation)} of "
              f"{VALIDATION} (JPEG {correct(net, data.lossy_validation)})  {time.monotonic() - start:.0f} s", flush=True)
    if net.pooled:
        net.untie()
    return net


def parse() -> argparse.Namespace:
    """Command line; the defaults are the recipe of the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the CIFAR-10 files")
    add("--out", type=Path, required=True, help="model file to write")
    add("--measure", action="store_true", help="train nothing: measure the tolerance of the model in --out anew")
    add("--checkpoint", type=Path, default=Path("cifar.pt"), help="real weights after the latest epoch")
    add("--resume", action="store_true", help="go on from the checkpoint")
    add("--seed", type=int, default=1)
    add("--epochs", type=int, default=30)
    add("--free-epochs", type=int, default=4, help="epochs at the end with all weights free")
    add("--decay-epochs", type=float, default=15, help="epochs at the end in which the rates fall")
    add("--batch", type=int, default=256)
    add("--conv-rate", type=float, default=5e-3)
    add("--conv-decay", type=float, default=0.5)
    add("--dense-rate", type=float, default=1e-3)
    add("--dense-decay", type=float, default=0.05)
    add("--norm-rate", type=float, default=5e-3)
    add("--smoothing", type=float, default=0.1)
    add("--dropout", type=float, default=0.2)
    add("--shift", type=int, default=3)
    add("--residual", type=float, default=0.5, help="part of the JPEG images that get a residual")
    add("--conv1-rms", type=float, default=2.0, help="root mean square of integer weights")
    add("--conv2-rms", type=float, default=3.0)
    add("--dense-rms", type=float, default=3.0)
    add("--threads", type=int, default=1)
    return parser.parse_args()


def tolerance(model: IntegerModel, images: Array) -> float | None:
    """Of the logits, by the validation images."""
    return logit_tolerance(model.outputs(images)[model.layers[-1].name])


def main() -> None:
    """Train, round, evaluate exactly, write the model file."""
    options, start = parse(), time.monotonic()
    if options.measure:
        exact, _ = read_records(options.data / "train_exact_7728.bin")
        images = exact[held_out(len(exact))[0]]
        return write_tolerance(options.out, tolerance(IntegerModel.load(options.out), images))
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    data = Data(options.data)
    net = train(data, options)
    settle(net, data.exact[0])
    for name, (images, labels) in data.splits().items():
        print(f"{name}: {correct(net, (images, labels))}/{len(labels)} correct with real weights", flush=True)
    model = integer_model(net, data.exact[0][:2000], options)
    model = centre_logits(model, data.exact[0].numpy())
    splits = {name: Split(images.numpy(), labels.numpy()) for name, (images, labels) in data.splits().items()}
    results = {name: evaluate(model, split) for name, split in splits.items()}
    describe(model, results)
    recipe = {name: value for name, value in vars(options).items() if name not in ("data", "out", "checkpoint", "measure")}
    training = {
        "script": "train_cifar.py",
        "recipe": recipe,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "results": summary(results),
    }
    bound = declared_bound(results["train"], results["validation"])
    print(f"declared bound of the logits: {bound}")
    model.save(options.out, "cifar", LABELS, bound, tolerance(model, splits["validation"].images), training)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, {time.monotonic() - start:.0f} s in total")


if __name__ == "__main__":
    main()
