"""Train the MNIST models: small networks in exact integer arithmetic.

The networks are those of the LoLa paper.  `mnist` (CryptoNets, LoLa and LoLa-Dense share it) is a 5x5 convolution with
stride 2 and five maps, square, dense 845 -> 100, square, dense 100 -> 10; `mnist-small` (LoLa-Small) ends after the first
square with dense 845 -> 10.  They are evaluated on encrypted data, in integers and without any rescaling between the
layers:

    x  = round_half_even(pixel * num / den)
    c  = conv(x) + bc,      h1 = c * c
    d  = Wd . h1 + bd,      h2 = d * d       (mnist only)
    y  = Wo . h2 + bo,      label = argmax y (mnist-small: Wo . h1 + bo)

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
    python train_mnist.py --net mnist-small --data MNIST_FOLDER --out ../models/mnist-small.safetensors
"""

from __future__ import annotations

import argparse
import gzip
import math
import platform
import struct
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from integers import (Array, Conv2d, Dense, IntegerModel, Split, Square, centre_logits, declared_bound, describe,
                      evaluate, logit_tolerance, summary, write_tolerance)

IMAGE = 28  # pixels per side of an image
KERNEL = 5
STRIDE = 2
OUT = 13  # output positions of the convolution, per axis
PIXELS = IMAGE * IMAGE
POSITIONS = OUT * OUT
CLASSES = 10

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
# Training
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class Grids:
    """Steps per unit of the integer grids: integer = scale * real weight."""

    conv: float
    dense1: float | None  # of the hidden layer, if there is one
    dense2: float

    def at_dense1(self, levels: int) -> float:
        """Scale of the outputs of the hidden layer."""
        return (self.conv * levels) ** 2 * self.dense1

    def at_logits(self, levels: int) -> float:
        """Scale of the logits."""
        before = self.conv * levels if self.dense1 is None else self.at_dense1(levels)
        return before ** 2 * self.dense2


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

        rounded = dict(
            params,
            conv_weight=grid(params["conv_weight"], grids.conv, o.conv_limit),
            conv_bias=grid(params["conv_bias"], grids.conv * o.levels, math.inf),
            dense2_weight=grid(params["dense2_weight"], grids.dense2, o.dense2_limit),
        )
        if o.hidden:
            rounded |= {
                "dense1_weight": grid(params["dense1_weight"], grids.dense1, o.dense1_limit),
                "dense1_bias": grid(params["dense1_bias"], grids.at_dense1(o.levels), math.inf),
            }
        return rounded

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
        h = jnp.swapaxes((c * c).reshape(n, POSITIONS, -1), 1, 2).reshape(n, -1)
        if self.options.hidden:
            d = h @ weights["dense1_weight"].T + weights["dense1_bias"]
            h = d * d
        return h @ weights["dense2_weight"].T + weights["dense2_bias"]

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
        params = {
            "conv_weight": 0.2 * jax.random.normal(k_conv, (o.maps, KERNEL * KERNEL)),
            "conv_bias": jnp.zeros(o.maps),
            "dense2_weight": (0.1 if o.hidden else 0.03) * jax.random.normal(k_dense2, (CLASSES, o.hidden or inputs)),
            "dense2_bias": jnp.zeros(CLASSES),
            "log_temperature": jnp.zeros(()),
        }
        if o.hidden:
            params |= {
                "dense1_weight": 0.03 * jax.random.normal(k_dense1, (o.hidden, inputs)),
                "dense1_bias": jnp.zeros(o.hidden),
            }
        return params

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

        hidden = scale("dense1_weight", o.dense1_rms) if o.hidden else None
        return Grids(scale("conv_weight", o.conv_rms), hidden, scale("dense2_weight", o.dense2_rms))

    def integer_model(self, params: Params, grids: Grids) -> IntegerModel:
        """The integers that the rounded weights stand for."""
        o = self.options
        weights = self.rounded(params, grids)

        def integers(name: str, scale: float) -> Array:
            return np.rint(np.asarray(weights[name], np.float64) * scale).astype(np.int64)

        kernels = integers("conv_weight", grids.conv).reshape(-1, 1, KERNEL, KERNEL)
        layers = [Conv2d("conv1", kernels, integers("conv_bias", grids.conv * o.levels), STRIDE, (0, 0, 1, 1)),
                  Square("square1")]
        if o.hidden:
            layers += [Dense("dense1", integers("dense1_weight", grids.dense1),
                             integers("dense1_bias", grids.at_dense1(o.levels))), Square("square2")]
        layers.append(Dense("dense2" if o.hidden else "dense1", integers("dense2_weight", grids.dense2),
                            integers("dense2_bias", grids.at_logits(o.levels))))
        return IntegerModel((1, IMAGE, IMAGE), o.levels, 255, tuple(layers))


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


# What the recipes of the networks do not share; the rest are the defaults of the options.
RECIPES: dict[str, dict[str, Any]] = {
    "mnist": {},
    "mnist-small": {"hidden": 0, "real_epochs": 15, "epochs": 25, "augment": 0.3, "conv_limit": 1, "conv_rms": 0.65,
                    "dense2_limit": 3, "dense2_rms": 0.8},
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the recipes of the shipped models."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--net", choices=RECIPES, default="mnist", help="the network, and with it the defaults of the other options")
    add("--data", type=Path, required=True, help="folder with the four MNIST IDX files")
    add("--out", type=Path, required=True, help="model file to write")
    add("--measure", action="store_true", help="train nothing: measure the tolerance of the model in --out anew")
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
    add("--hidden", type=int, default=100, help="units of the hidden layer, or 0 for none")
    add("--levels", type=int, default=1, help="largest input value: num, with den = 255")
    add("--conv-rms", type=float, default=0.8, help="initial RMS in integer units")
    add("--conv-limit", type=int, default=2, help="largest weight")
    add("--conv-until", type=float, default=0.1, help="frozen after this part of the phase")
    add("--dense1-rms", type=float, default=1.2, help="of the hidden layer")
    add("--dense1-limit", type=int, default=3)
    add("--dense2-rms", type=float, default=1.5, help="of the output layer")
    add("--dense2-limit", type=int, default=7)
    add("--output-until", type=float, default=0.5, help="frozen after this part of the phase")
    net, _ = parser.parse_known_args(arguments)
    parser.set_defaults(**RECIPES[net.net])
    return parser.parse_args(arguments)


def tolerance(model: IntegerModel, data: dict[str, Split]) -> float | None:
    """Of the logits, by the validation images."""
    return logit_tolerance(model.outputs(data["validation"].images)[model.layers[-1].name])


def main() -> None:
    """Train, evaluate exactly, write the model file."""
    options = parse()
    data = load_data(options.data, options.validation)
    if options.measure:
        return write_tolerance(options.out, tolerance(IntegerModel.load(options.out), data))
    start = time.monotonic()
    model = train(data, options)
    everything = np.concatenate([data["train"].images, data["validation"].images])
    model = centre_logits(model, everything)
    results = {name: evaluate(model, split) for name, split in data.items()}
    describe(model, results)
    recipe = {name: value for name, value in vars(options).items() if name not in ("net", "data", "out", "measure")}
    training = {
        "script": "train_mnist.py",
        "recipe": recipe,
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in ("jax", "jaxlib", "numpy", "optax")}},
        "results": summary(results),
    }
    bound = declared_bound(results["train"], results["validation"])
    print(f"declared bound of the logits: {bound}")
    labels = [str(label) for label in range(CLASSES)]
    model.save(options.out, options.net, labels, bound, tolerance(model, data), training)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, "
          f"{time.monotonic() - start:.0f} s in total")


if __name__ == "__main__":
    main()
