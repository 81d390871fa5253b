"""Train the MNIST model: a small network in exact integer arithmetic.

The network is the one of the LoLa paper: a 5x5 convolution with stride 2 and
five maps, square, dense 845 -> 100, square, dense 100 -> 10.  It is evaluated
on encrypted data, in integers and without any rescaling between the layers:

    x  = round_half_even(pixel * num / den)
    c  = conv(x) + bc,      h1 = c * c
    d  = Wd . h1 + bd,      h2 = d * d
    y  = Wo . h2 + bo,      label = argmax y

What a prediction costs grows with log2(2 * max|y| + 1), the bits of the
logits, so the training looks for small integers everywhere.  It runs in two
phases:

1. real-valued weights, with the input already quantised;
2. quantisation-aware: every weight is rounded to its integer grid in the
   forward pass, and the gradient passes through the rounding unchanged.  The
   convolution is frozen after the first few epochs, since a step of one of
   its weights moves everything behind it; the output layer is frozen later.

In both phases the loss contains the logarithm of the range of the logits.

    python train_mnist.py --data MNIST_FOLDER --out ../models/mnist.safetensors
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import os
import platform
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGE = 28  # pixels per side of an image
KERNEL = 5
STRIDE = 2
OUT = 13  # output positions of the convolution, per axis
PIXELS = IMAGE * IMAGE
POSITIONS = OUT * OUT
CLASSES = 10
INT64_MAX = 2**63 - 1
FLOAT64_EXACT = 2**53  # float64 holds every integer up to here

Array = np.ndarray
Params = dict[str, Any]


# --------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------


def read_idx(path: Path) -> Array:
    """Read one gzip-compressed IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    zero, kind, rank = struct.unpack_from(">HBB", raw)
    if zero != 0 or kind != 8:
        raise ValueError(f"{path.name}: not an IDX file of bytes")
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


@dataclass(frozen=True)
class Split:
    """Images [n, 28, 28] with their labels [n]."""

    images: Array
    labels: Array


def load_data(folder: Path, validation: int) -> dict[str, Split]:
    """Training, validation and test images.

    The validation images are taken out of the training images by a fixed
    permutation that does not depend on the seed of the run.
    """
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    order = np.random.default_rng(12345).permutation(len(images))
    held, kept = order[:validation], order[validation:]
    return {
        "train": Split(images[kept], labels[kept]),
        "validation": Split(images[held], labels[held]),
        "test": Split(read_idx(folder / "t10k-images-idx3-ubyte.gz"),
                      read_idx(folder / "t10k-labels-idx1-ubyte.gz")),
    }


# --------------------------------------------------------------------------
# The integer model
# --------------------------------------------------------------------------

_DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}


def smallest_dtype(values: Array) -> str:
    """Name of the narrowest signed integer type that holds all values."""
    for name, code in _DTYPES.items():
        limits = np.iinfo(np.dtype(code))
        if limits.min <= values.min() and values.max() <= limits.max:
            return name
    raise OverflowError("value beyond 64 bits")


def product(values: Array, weight: Array, bound: int) -> Array:
    """Exact values @ weight.T in int64, where `bound` limits every partial sum.

    A sum that stays where float64 holds every integer is exact in float64
    too, in any order of the additions, and much faster there.
    """
    if bound <= FLOAT64_EXACT:
        return (values.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64)
    return values @ weight.T


@dataclass(frozen=True)
class IntegerModel:
    """The network in int64; input scale num/den."""

    num: int
    den: int
    conv_weight: Array  # [maps, 25]
    conv_bias: Array  # [maps]
    dense1_weight: Array  # [hidden, 169 * maps]
    dense1_bias: Array  # [hidden]
    dense2_weight: Array  # [10, hidden]
    dense2_bias: Array  # [10]

    def quantise_input(self, images: Array) -> Array:
        """round_half_even(pixel * num / den), in integers."""
        quotient, rest = np.divmod(images.astype(np.int64) * self.num, self.den)
        up = (2 * rest > self.den) | ((2 * rest == self.den) & (quotient % 2 == 1))
        return quotient + up

    def bounds(self) -> dict[str, int]:
        """Proven bounds on the absolute values, for any image whatsoever.

        By the triangle inequality, |sum of w * v + b| <= max|v| * sum|w| + |b|,
        which bounds every partial sum as well.  Python integers throughout.
        """

        def layer(weight: Array, bias: Array, largest: int) -> int:
            return max(
                largest * sum(abs(int(w)) for w in row) + abs(int(b))
                for row, b in zip(weight, bias)
            )

        x = (255 * self.num + self.den - 1) // self.den
        c = layer(self.conv_weight, self.conv_bias, x)
        d = layer(self.dense1_weight, self.dense1_bias, c * c)
        y = layer(self.dense2_weight, self.dense2_bias, d * d)
        return {"input": x, "conv1": c, "square1": c * c,
                "dense1": d, "square2": d * d, "logits": y}

    def layers(self, images: Array, batch: int = 5000) -> dict[str, Array]:
        """Exact outputs of the layers conv1, dense1 and logits."""
        bounds = self.bounds()
        if max(bounds.values()) > INT64_MAX:
            raise OverflowError("the network does not fit 64-bit arithmetic")
        parts: list[tuple[Array, ...]] = []
        for start in range(0, len(images), batch):
            x = self.quantise_input(images[start:start + batch])
            x = np.pad(x, ((0, 0), (0, 1), (0, 1)))
            span = STRIDE * (OUT - 1) + 1
            taps = [x[:, i:i + span:STRIDE, j:j + span:STRIDE].reshape(len(x), 1, POSITIONS)
                    for i in range(KERNEL) for j in range(KERNEL)]
            c = np.zeros((len(x), len(self.conv_bias), POSITIONS), np.int64)
            for tap, weight in zip(taps, self.conv_weight.T):
                c += weight[None, :, None] * tap
            c += self.conv_bias[None, :, None]
            h1 = (c * c).reshape(len(x), -1)
            d = product(h1, self.dense1_weight, bounds["dense1"]) + self.dense1_bias
            y = product(d * d, self.dense2_weight, bounds["logits"]) + self.dense2_bias
            parts.append((c, d, y))
        names = ("conv1", "dense1", "logits")
        return {name: np.concatenate(values) for name, values in zip(names, zip(*parts))}

    def tensors(self) -> dict[str, Array]:
        """The tensors under the names and in the shapes of the model file."""
        maps = len(self.conv_bias)
        return {
            "conv1.bias": self.conv_bias,
            "conv1.weight": self.conv_weight.reshape(maps, 1, KERNEL, KERNEL),
            "dense1.bias": self.dense1_bias,
            "dense1.weight": self.dense1_weight,
            "dense2.bias": self.dense2_bias,
            "dense2.weight": self.dense2_weight,
        }

    def network(self, logit_bound: int) -> dict[str, Any]:
        """Description of the network for the model file."""
        return {
            "input": {"shape": [1, IMAGE, IMAGE], "scale": [self.num, self.den]},
            "layers": [
                {"type": "conv2d", "name": "conv1", "kernel": [KERNEL, KERNEL],
                 "stride": [STRIDE, STRIDE],
                 "padding": {"top": 0, "left": 0, "bottom": 1, "right": 1}},
                {"type": "square", "name": "square1"},
                {"type": "dense", "name": "dense1"},
                {"type": "square", "name": "square2"},
                {"type": "dense", "name": "dense2"},
            ],
            "labels": [str(label) for label in range(CLASSES)],
            "logit_bound": logit_bound,
        }

    def save(self, path: Path, logit_bound: int, training: dict[str, Any]) -> None:
        """Write the model file; the same content always gives the same bytes.

        `logit_bound` is the magnitude of logits that users make room for.
        """
        tensors = {name: (smallest_dtype(values), values)
                   for name, values in self.tensors().items()}
        data = {name: np.ascontiguousarray(values, dtype=_DTYPES[kind]).tobytes()
                for name, (kind, values) in tensors.items()}
        digest = hashlib.sha256()
        for name in sorted(data):
            digest.update(name.encode() + data[name])
        compact = {"separators": (",", ":")}
        header: dict[str, Any] = {
            "__metadata__": {
                "format": "tacit-model",
                "version": "1",
                "name": "mnist",
                "network": json.dumps(self.network(logit_bound), **compact),
                "training": json.dumps(training, **compact),
                "sha256": digest.hexdigest(),
            }
        }
        # Wide elements first, so that every tensor is aligned.
        order = sorted(data, key=lambda name: (-np.dtype(_DTYPES[tensors[name][0]]).itemsize, name))
        offset = 0
        for name in order:
            kind, values = tensors[name]
            end = offset + len(data[name])
            header[name] = {"dtype": kind, "shape": list(values.shape),
                            "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, **compact).encode()
        text += b" " * (-len(text) % 8)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_bytes(struct.pack("<Q", len(text)) + text
                              + b"".join(data[name] for name in order))
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> IntegerModel:
        """Read a model file and verify its digest."""
        raw = path.read_bytes()
        (length,) = struct.unpack_from("<Q", raw)
        header = json.loads(raw[8:8 + length])
        metadata = header.pop("__metadata__")
        digest = hashlib.sha256()
        tensors: dict[str, Array] = {}
        for name, entry in sorted(header.items()):
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            digest.update(name.encode() + raw[start:end])
            values = np.frombuffer(raw[start:end], _DTYPES[entry["dtype"]])
            tensors[name] = values.astype(np.int64).reshape(entry["shape"])
        if digest.hexdigest() != metadata["sha256"]:
            raise ValueError(f"{path.name}: wrong digest")
        num, den = json.loads(metadata["network"])["input"]["scale"]
        weight = tensors["conv1.weight"]
        return cls(num, den, weight.reshape(len(weight), -1), tensors["conv1.bias"],
                   tensors["dense1.weight"], tensors["dense1.bias"],
                   tensors["dense2.weight"], tensors["dense2.bias"])


def declared_bound(results: Iterable[dict[str, Any]]) -> int:
    """Twice the largest logit measured: room for pictures unlike these."""
    return 2 * max(abs(value) for result in results for value in result["ranges"]["logits"])


def logit_bits(largest: int) -> float:
    """Bits of a plaintext modulus that holds -largest .. largest."""
    return math.log2(2 * largest + 1)


def centre_logits(model: IntegerModel, images: Array) -> IntegerModel:
    """Put the range that the logits take on `images` symmetrically around zero.

    The constant is common to all classes, so no label changes.
    """
    logits = model.layers(images)["logits"]
    centre = (int(logits.max()) + int(logits.min())) // 2
    return replace(model, dense2_bias=model.dense2_bias - centre)


def evaluate(model: IntegerModel, split: Split) -> dict[str, Any]:
    """Correct labels and measured ranges of the layers on one split."""
    outputs = model.layers(split.images)
    correct = int((outputs["logits"].argmax(axis=1) == split.labels).sum())
    ranges = {name: [int(values.min()), int(values.max())] for name, values in outputs.items()}
    largest = max(-ranges["logits"][0], ranges["logits"][1])
    return {"correct": correct, "images": len(split.labels),
            "logit_bits": round(logit_bits(largest), 3), "ranges": ranges}


# --------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class Grids:
    """Steps per unit of the integer grids: integer = scale * real weight."""

    conv: float
    dense1: float
    dense2: float

    def at_dense1(self, levels: int) -> float:
        """Scale of the outputs of the first dense layer."""
        return (self.conv * levels) ** 2 * self.dense1

    def at_logits(self, levels: int) -> float:
        """Scale of the logits."""
        return self.at_dense1(levels) ** 2 * self.dense2


class Trainer:
    """Both training phases, with the data and the settings."""

    def __init__(self, data: Split, options: argparse.Namespace) -> None:
        import jax.numpy as jnp

        self.options = options
        self.images = jnp.asarray(data.images, jnp.float32) / 255
        self.labels = jnp.asarray(data.labels, jnp.int32)
        axis = np.arange(IMAGE) - (IMAGE - 1) / 2
        rows, columns = np.meshgrid(axis, axis, indexing="ij")
        self.rows = jnp.asarray(rows.ravel(), jnp.float32)
        self.columns = jnp.asarray(columns.ravel(), jnp.float32)
        # Smooth displacement fields: 5 x 5 Gaussian bumps, unit variance.
        knots = np.linspace(-14, 14, 5)
        bump = np.exp(-((axis[:, None] - knots[None]) ** 2) / (2 * 4.5**2))
        basis = np.einsum("ia,jb->ijab", bump, bump).reshape(PIXELS, -1)
        basis /= np.linalg.norm(basis, axis=1, keepdims=True)
        self.basis = jnp.asarray(basis, jnp.float32)

    # -- forward pass ------------------------------------------------------

    def augment(self, key: Any, images: Any) -> Any:
        """Random affine and elastic distortion, and a change of ink."""
        import jax
        import jax.numpy as jnp

        strength = self.options.augment
        n = images.shape[0]
        k_affine, k_elastic, k_ink = jax.random.split(key, 3)
        u = strength * jax.random.uniform(k_affine, (n, 6), minval=-1, maxval=1)
        angle, shear = 0.20 * u[:, :1], 0.15 * u[:, 3:4]
        scale_x, scale_y = 1 + 0.12 * u[:, 1:2], 1 + 0.12 * u[:, 2:3]
        field = 0.7 * strength * jax.random.normal(k_elastic, (2, n, self.basis.shape[1]))
        bend = field @ self.basis.T
        x = (scale_x * jnp.cos(angle) * self.columns
             + (shear - scale_x * jnp.sin(angle)) * self.rows + 1.5 * u[:, 4:5] + bend[0])
        y = (scale_y * jnp.sin(angle) * self.columns
             + scale_y * jnp.cos(angle) * self.rows + 1.5 * u[:, 5:6] + bend[1])
        # Bilinear sampling, from images with a margin of one pixel.
        margin = IMAGE + 2
        x = jnp.clip(x + (IMAGE - 1) / 2, -1, IMAGE - 0.001)
        y = jnp.clip(y + (IMAGE - 1) / 2, -1, IMAGE - 0.001)
        x0, y0 = jnp.floor(x), jnp.floor(y)
        fx, fy = x - x0, y - y0
        flat = jnp.pad(images, ((0, 0), (1, 1), (1, 1))).reshape(-1)
        at = ((y0 + 1) * margin + x0 + 1).astype(jnp.int32)
        at += (jnp.arange(n, dtype=jnp.int32) * margin * margin)[:, None]
        upper = flat[at] * (1 - fx) + flat[at + 1] * fx
        lower = flat[at + margin] * (1 - fx) + flat[at + margin + 1] * fx
        ink = 1 + 0.15 * strength * jax.random.uniform(k_ink, (n, 1), minval=-0.5, maxval=1)
        sampled = (upper * (1 - fy) + lower * fy) * ink
        return jnp.clip(sampled, 0, 1).reshape(n, IMAGE, IMAGE)

    def rounded(self, params: Params, grids: Grids | None) -> Params:
        """Weights on their integer grids (straight-through), or as they are."""
        import jax
        import jax.numpy as jnp

        if grids is None:
            return params
        o = self.options

        def grid(values: Any, scale: float, limit: float) -> Any:
            kept = jnp.clip(values, -limit / scale, limit / scale)
            return kept + jax.lax.stop_gradient(jnp.round(kept * scale) / scale - kept)

        return dict(
            params,
            conv_weight=grid(params["conv_weight"], grids.conv, o.conv_limit),
            conv_bias=grid(params["conv_bias"], grids.conv * o.levels, math.inf),
            dense1_weight=grid(params["dense1_weight"], grids.dense1, o.dense1_limit),
            dense1_bias=grid(params["dense1_bias"], grids.at_dense1(o.levels), math.inf),
            dense2_weight=grid(params["dense2_weight"], grids.dense2, o.dense2_limit),
        )

    def logits(self, weights: Params, images: Any) -> Any:
        """Forward pass in floating point; images in 0..1."""
        import jax.numpy as jnp

        levels = self.options.levels
        x = jnp.round(images * levels) / levels
        x = jnp.pad(x, ((0, 0), (0, 1), (0, 1)))
        n, span = x.shape[0], STRIDE * (OUT - 1) + 1
        taps = [x[:, i:i + span:STRIDE, j:j + span:STRIDE].reshape(n, POSITIONS)
                for i in range(KERNEL) for j in range(KERNEL)]
        columns = jnp.stack(taps, -1).reshape(-1, KERNEL * KERNEL)
        c = columns @ weights["conv_weight"].T + weights["conv_bias"]
        h1 = jnp.swapaxes((c * c).reshape(n, POSITIONS, -1), 1, 2).reshape(n, -1)
        d = h1 @ weights["dense1_weight"].T + weights["dense1_bias"]
        return (d * d) @ weights["dense2_weight"].T + weights["dense2_bias"]

    def loss(self, params: Params, grids: Grids | None, images: Any, labels: Any) -> Any:
        """Smoothed cross-entropy plus the penalties on the range of the logits.

        The 8-norm stands for the maximum.  The first penalty measures the
        logits in units of the softmax temperature, so it shapes their
        distribution; the second, in the second phase, measures them in units
        of the integer grid, so it also pulls the weights towards zero.
        """
        import jax
        import jax.numpy as jnp

        o = self.options
        raw = self.logits(self.rounded(params, grids), images)
        scaled = raw * jnp.exp(params["log_temperature"])
        target = jax.nn.one_hot(labels, CLASSES) * (1 - o.smoothing) + o.smoothing / CLASSES
        loss = -(target * jax.nn.log_softmax(scaled)).sum(-1).mean()

        def range_bits(values: Any) -> Any:
            return jnp.log2(jnp.mean(values**8) ** (1 / 8) + 1e-9)

        loss += o.shape_penalty * range_bits(scaled)
        if grids is not None:
            loss += o.grid_penalty * range_bits(raw)
        return loss

    # -- optimisation ------------------------------------------------------

    def initial(self, key: Any) -> Params:
        """Random real-valued weights."""
        import jax
        import jax.numpy as jnp

        o = self.options
        k_conv, k_dense1, k_dense2 = jax.random.split(key, 3)
        inputs = POSITIONS * o.maps
        return {
            "conv_weight": 0.2 * jax.random.normal(k_conv, (o.maps, KERNEL * KERNEL)),
            "conv_bias": jnp.zeros(o.maps),
            "dense1_weight": 0.03 * jax.random.normal(k_dense1, (o.hidden, inputs)),
            "dense1_bias": jnp.zeros(o.hidden),
            "dense2_weight": 0.1 * jax.random.normal(k_dense2, (CLASSES, o.hidden)),
            "dense2_bias": jnp.zeros(CLASSES),
            "log_temperature": jnp.zeros(()),
        }

    def phase(self, key: Any, params: Params, grids: Grids | None, epochs: int,
              rate: float, report: Any) -> Params:
        """One training phase: Adam, warm-up, cosine decay over `epochs`."""
        import jax
        import optax

        o = self.options
        count = len(self.labels)
        batches = count // o.batch
        schedule = optax.warmup_cosine_decay_schedule(
            0.1 * rate, rate, 200, max(batches * epochs, 201), 0.002 * rate)
        optimiser = optax.adam(schedule)
        state = optimiser.init(params)

        @jax.jit
        def epoch(params: Params, state: Any, key: Any, factors: Params) -> Any:
            k_order, k_augment = jax.random.split(key)
            order = jax.random.permutation(k_order, count)[:batches * o.batch]

            def step(carry: Any, item: Any) -> Any:
                params, state = carry
                chosen, k_batch = item
                images = self.augment(k_batch, self.images[chosen])
                value, gradient = jax.value_and_grad(self.loss)(
                    params, grids, images, self.labels[chosen])
                update, state = optimiser.update(gradient, state)
                update = {name: update[name] * factors[name] for name in update}
                return (optax.apply_updates(params, update), state), value

            (params, state), values = jax.lax.scan(
                step, (params, state),
                (order.reshape(batches, o.batch), jax.random.split(k_augment, batches)))
            return params, state, values.mean()

        for number in range(1, epochs + 1):
            factors = {name: 1.0 for name in params}
            if grids is not None:
                done = (number - 1) / epochs
                conv, output = float(done < o.conv_until), float(done < o.output_until)
                factors |= {"conv_weight": conv, "conv_bias": conv, "dense2_weight": output}
            key, k_epoch = jax.random.split(key)
            params, state, value = epoch(params, state, k_epoch, factors)
            report(number, epochs, float(value), params, grids)
        return params

    def grids(self, params: Params) -> Grids:
        """Grids on which the weights have the wanted root mean square."""
        o = self.options

        def scale(name: str, wanted: float) -> float:
            return wanted / float(np.sqrt(np.mean(np.square(np.asarray(params[name], np.float64)))))

        return Grids(scale("conv_weight", o.conv_rms), scale("dense1_weight", o.dense1_rms),
                     scale("dense2_weight", o.dense2_rms))

    def integer_model(self, params: Params, grids: Grids) -> IntegerModel:
        """The integers that the rounded weights stand for."""
        o = self.options
        weights = self.rounded(params, grids)

        def integers(name: str, scale: float) -> Array:
            return np.rint(np.asarray(weights[name], np.float64) * scale).astype(np.int64)

        return IntegerModel(
            o.levels, 255,
            integers("conv_weight", grids.conv), integers("conv_bias", grids.conv * o.levels),
            integers("dense1_weight", grids.dense1),
            integers("dense1_bias", grids.at_dense1(o.levels)),
            integers("dense2_weight", grids.dense2),
            integers("dense2_bias", grids.at_logits(o.levels)))


def train(data: dict[str, Split], options: argparse.Namespace) -> IntegerModel:
    """Run both phases and return the integer model; prints the progress."""
    import jax
    import jax.numpy as jnp

    trainer = Trainer(data["train"], options)
    held = data["validation"]
    start = time.monotonic()

    def report(number: int, epochs: int, value: float, params: Params, grids: Grids | None) -> None:
        if number % 5 and number != epochs:
            return
        if grids is None:
            images = jnp.asarray(held.images, jnp.float32) / 255
            labels = np.asarray(trainer.logits(params, images)).argmax(axis=1)
            correct, note = int((labels == held.labels).sum()), ""
        else:
            result = evaluate(trainer.integer_model(params, grids), held)
            correct, note = result["correct"], f"  {result['logit_bits']:.2f} bits"
        phase = "real" if grids is None else "integer"
        print(f"{phase:>7} epoch {number:>3}/{epochs}  loss {value:.4f}  validation "
              f"{correct}/{len(held.labels)}{note}  {time.monotonic() - start:.0f} s", flush=True)

    k_initial, k_real, k_integer = jax.random.split(jax.random.key(options.seed), 3)
    params = trainer.initial(k_initial)
    params = trainer.phase(k_real, params, None, options.real_epochs, options.real_rate, report)
    grids = trainer.grids(params)
    params = trainer.phase(k_integer, params, grids, options.epochs, options.rate, report)
    return trainer.integer_model(params, grids)


def describe(model: IntegerModel, results: dict[str, dict[str, Any]]) -> None:
    """Print accuracy, ranges and sizes of the finished model."""
    for name, result in results.items():
        print(f"{name}: {result['correct']}/{result['images']} correct, "
              f"logits {result['logit_bits']:.3f} bits")
        for layer, (low, high) in result["ranges"].items():
            print(f"    {layer:8} {low} .. {high}")
    print("proven bounds for any image (int64 holds 2^63 - 1):")
    for layer, bound in model.bounds().items():
        print(f"    {layer:8} {bound}  (2^{math.log2(bound):.1f})")
    for name, values in model.tensors().items():
        print(f"{name}: {smallest_dtype(values)} {values.min()} .. {values.max()}, "
              f"{np.count_nonzero(values)} of {values.size} not zero")
    print(f"sum of |w| per convolution map: {np.abs(model.conv_weight).sum(axis=1).tolist()}")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the recipe of the shipped model."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the four MNIST IDX files")
    add("--out", type=Path, required=True, help="model file to write")
    add("--seed", type=int, default=2)
    add("--epochs", type=int, default=45, help="epochs of the integer phase")
    add("--real-epochs", type=int, default=50, help="epochs of the real-valued phase")
    add("--validation", type=int, default=5000, help="images held out of the training set")
    add("--batch", type=int, default=250)
    add("--rate", type=float, default=1.5e-3, help="learning rate of the integer phase")
    add("--real-rate", type=float, default=3e-3, help="learning rate of the real-valued phase")
    add("--augment", type=float, default=0.6, help="strength of the distortions")
    add("--smoothing", type=float, default=0.03, help="label smoothing")
    add("--shape-penalty", type=float, default=0.01, help="weight of the logits' range")
    add("--grid-penalty", type=float, default=0.003, help="same, in units of the grid")
    add("--maps", type=int, default=5, help="maps of the convolution")
    add("--hidden", type=int, default=100, help="units of the first dense layer")
    add("--levels", type=int, default=1, help="largest input value: num, with den = 255")
    add("--conv-rms", type=float, default=0.8, help="initial RMS in integer units")
    add("--conv-limit", type=int, default=2, help="largest weight")
    add("--conv-until", type=float, default=0.1, help="frozen after this part of the phase")
    add("--dense1-rms", type=float, default=1.2)
    add("--dense1-limit", type=int, default=3)
    add("--dense2-rms", type=float, default=1.5)
    add("--dense2-limit", type=int, default=7)
    add("--output-until", type=float, default=0.5, help="frozen after this part of the phase")
    return parser.parse_args(arguments)


def main() -> None:
    """Train, evaluate exactly, write the model file."""
    options = parse()
    data = load_data(options.data, options.validation)
    start = time.monotonic()
    model = train(data, options)
    everything = np.concatenate([data["train"].images, data["validation"].images])
    model = centre_logits(model, everything)
    results = {name: evaluate(model, split) for name, split in data.items()}
    describe(model, results)
    recipe = {name: value for name, value in vars(options).items() if name not in ("data", "out")}
    training = {
        "script": "train_mnist.py",
        "recipe": recipe,
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in ("jax", "jaxlib", "numpy", "optax")}},
        "results": {name: {key: result[key] for key in ("correct", "images", "logit_bits")}
                    for name, result in results.items()},
    }
    bound = declared_bound(results[name] for name in ("train", "validation"))
    print(f"declared bound of the logits: {bound}")
    model.save(options.out, bound, training)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, "
          f"{time.monotonic() - start:.0f} s in total")


if __name__ == "__main__":
    main()
