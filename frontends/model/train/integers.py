"""Networks of integers: exact evaluation, value ranges and the model file.

A network is a chain of convolutions, squares and dense layers, as the crate `tacit-model` defines it.  Nothing is
rescaled between the layers, so every logit is one exact integer.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

INT64_MAX = 2**63 - 1
FLOAT64_EXACT = 2**53  # float64 holds every integer up to here
TOLERATED = 10_000  # images of which errors within the tolerance change one label
DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}

Array = np.ndarray


@dataclass(frozen=True)
class Split:
    """Images [n, ...] with their labels [n]."""

    images: Array
    labels: Array


def smallest_dtype(values: Array) -> str:
    """Name of the narrowest signed integer type that holds all values."""
    for name, code in DTYPES.items():
        limits = np.iinfo(np.dtype(code))
        if limits.min <= values.min() and values.max() <= limits.max:
            return name
    raise OverflowError("value beyond 64 bits")


def reach(weight: Array, bias: Array, largest: int) -> int:
    """Bound on every partial sum of weight @ x + bias for |x| <= largest, by the triangle inequality."""
    norms = np.abs(weight.reshape(len(weight), -1)).sum(axis=1).tolist()
    return max(largest * norm + abs(value) for norm, value in zip(norms, bias.tolist()))


def affine(values: Array, weight: Array, bias: Array) -> Array:
    """Exact values @ weight.T + bias in int64.

    A sum that stays where float64 holds every integer is exact in float64 too, in any order of the additions, and much
    faster there.  Elsewhere int64 wraps around, so a sum is right if it fits itself: float64 is close enough to tell.
    """
    bound = reach(weight, bias, int(np.abs(values).max(initial=0)))
    close = values.astype(np.float64) @ weight.T.astype(np.float64)
    if bound <= FLOAT64_EXACT:
        return close.astype(np.int64) + bias
    if bound >= 2**80 or np.abs(close + bias).max() >= 2**62:
        raise OverflowError("the network does not fit 64-bit arithmetic")
    return values @ weight.T + bias


@dataclass(frozen=True)
class Conv2d:
    """A convolution with zero padding (top, left, bottom, right)."""

    name: str
    weight: Array  # [maps, channels, kernel, kernel]
    bias: Array  # [maps]
    stride: int
    padding: tuple[int, int, int, int]

    def __call__(self, values: Array) -> Array:
        """[n, channels, height, width] -> [n, maps, rows, columns]."""
        maps, _, kernel, _ = self.weight.shape
        top, left, bottom, right = self.padding
        padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
        windows = windows[:, :, ::self.stride, ::self.stride].transpose(0, 2, 3, 1, 4, 5)
        n, rows, columns = windows.shape[:3]
        sums = affine(windows.reshape(n * rows * columns, -1), self.weight.reshape(maps, -1), self.bias)
        return sums.reshape(n, rows, columns, maps).transpose(0, 3, 1, 2)

    def describe(self) -> dict[str, Any]:
        """As the model file writes it."""
        padding = dict(zip(("top", "left", "bottom", "right"), self.padding))
        return {"type": "conv2d", "name": self.name, "kernel": list(self.weight.shape[2:]),
                "stride": [self.stride, self.stride], "padding": padding}


@dataclass(frozen=True)
class Dense:
    """A fully connected layer over the flattened input."""

    name: str
    weight: Array  # [outputs, inputs]
    bias: Array  # [outputs]

    def __call__(self, values: Array) -> Array:
        """[n, ...] -> [n, outputs]."""
        return affine(values.reshape(len(values), -1), self.weight, self.bias)

    def describe(self) -> dict[str, Any]:
        """As the model file writes it."""
        return {"type": "dense", "name": self.name}


@dataclass(frozen=True)
class Square:
    """Every value times itself."""

    name: str

    def __call__(self, values: Array) -> Array:
        """Any shape."""
        if np.abs(values).max(initial=0) > math.isqrt(INT64_MAX):
            raise OverflowError("the network does not fit 64-bit arithmetic")
        return values * values

    def describe(self) -> dict[str, Any]:
        """As the model file writes it."""
        return {"type": "square", "name": self.name}


Layer = Conv2d | Square | Dense


@dataclass(frozen=True)
class IntegerModel:
    """A network in int64.  Inputs are pixels (or real numbers) times num / den, rounded, ties to even."""

    shape: tuple[int, int, int]
    num: int
    den: int
    layers: tuple[Layer, ...]  # the last one is dense
    input_range: tuple[int, int] | None = None  # of the integers, if they are not those of pixels

    def quantise_input(self, values: Array) -> Array:
        """Integers [n, channels, height, width]; pixels are rounded in integer arithmetic."""
        if np.issubdtype(values.dtype, np.integer):
            quotient, rest = np.divmod(values.astype(np.int64) * self.num, self.den)
            up = (2 * rest > self.den) | ((2 * rest == self.den) & (quotient % 2 == 1))
            integers = quotient + up
        else:
            integers = np.rint(values.astype(np.float64) * self.num / self.den).astype(np.int64)
        return integers.reshape(-1, *self.shape)

    def linear(self) -> Iterator[Conv2d | Dense]:
        """The layers that have weights."""
        return (layer for layer in self.layers if not isinstance(layer, Square))

    def bounds(self) -> dict[str, int]:
        """Proven bounds on the absolute values, for any proper input.  Python integers throughout."""
        low, high = self.input_range or (0, (255 * self.num + self.den - 1) // self.den)
        bounds = {"input": max(-low, high)}
        largest = bounds["input"]
        for layer in self.layers:
            largest = largest**2 if isinstance(layer, Square) else reach(layer.weight, layer.bias, largest)
            bounds[layer.name] = largest
        return bounds

    def outputs(self, values: Array, batch: int = 250) -> dict[str, Array]:
        """Exact logits, under the last layer's name, and the [min, max] of each linear layer before it."""
        logits: list[Array] = []
        ranges: dict[str, Array] = {}
        for start in range(0, len(values), batch):
            x = self.quantise_input(values[start:start + batch])
            for layer in self.layers:
                x = layer(x)
                if not isinstance(layer, Square):
                    low, high = ranges.get(layer.name, (x.min(), x.max()))
                    ranges[layer.name] = np.array([min(low, x.min()), max(high, x.max())])
            logits.append(x)
        return ranges | {self.layers[-1].name: np.concatenate(logits)}

    def tensors(self) -> dict[str, Array]:
        """The tensors under the names and in the shapes of the model file."""
        tensors: dict[str, Array] = {}
        for layer in self.linear():
            tensors |= {f"{layer.name}.bias": layer.bias, f"{layer.name}.weight": layer.weight}
        return tensors

    def network(self, labels: list[str], logit_bound: int, tolerance: float | None) -> dict[str, Any]:
        """Description of the network for the model file."""
        described: dict[str, Any] = {"shape": list(self.shape), "scale": [self.num, self.den]}
        if self.input_range:
            described["range"] = list(self.input_range)
        network = {"input": described, "layers": [layer.describe() for layer in self.layers],
                   "labels": labels, "logit_bound": logit_bound}
        return network | ({} if tolerance is None else {"logit_tolerance": tolerance})

    def save(self, path: Path, name: str, labels: list[str], logit_bound: int, tolerance: float | None,
             training: dict[str, Any]) -> None:
        """Write the model file; the same content always gives the same bytes.

        `logit_bound` is the magnitude of logits that users make room for, `tolerance` the error that they may have: see
        `logit_tolerance`.
        """
        tensors = {tensor: (smallest_dtype(values), values) for tensor, values in self.tensors().items()}
        data = {tensor: np.ascontiguousarray(values, dtype=DTYPES[kind]).tobytes()
                for tensor, (kind, values) in tensors.items()}
        digest = hashlib.sha256()
        for tensor in sorted(data):
            digest.update(tensor.encode() + data[tensor])
        compact = {"separators": (",", ":")}
        header: dict[str, Any] = {
            "__metadata__": {
                "format": "tacit-model",
                "version": "1",
                "name": name,
                "network": json.dumps(self.network(labels, logit_bound, tolerance), **compact),
                "training": json.dumps(training, **compact),
                "sha256": digest.hexdigest(),
            }
        }
        # Wide elements first, so that every tensor is aligned.
        offset = 0
        order = sorted(data, key=lambda tensor: (-np.dtype(DTYPES[tensors[tensor][0]]).itemsize, tensor))
        for tensor in order:
            kind, values = tensors[tensor]
            end = offset + len(data[tensor])
            header[tensor] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [offset, end]}
            offset = end
        path.parent.mkdir(parents=True, exist_ok=True)
        write_container(path, header, b"".join(data[tensor] for tensor in order))

    @classmethod
    def load(cls, path: Path) -> IntegerModel:
        """Read a model file and verify its digest."""
        header, data = read_container(path)
        metadata = header.pop("__metadata__")
        digest = hashlib.sha256()
        tensors: dict[str, Array] = {}
        for name, entry in sorted(header.items()):
            start, end = entry["data_offsets"]
            digest.update(name.encode() + data[start:end])
            values = np.frombuffer(data[start:end], DTYPES[entry["dtype"]])
            tensors[name] = values.astype(np.int64).reshape(entry["shape"])
        if digest.hexdigest() != metadata["sha256"]:
            raise ValueError(f"{path.name}: wrong digest")
        network = json.loads(metadata["network"])
        described = network["input"]
        layers = tuple(read_layer(layer, tensors) for layer in network["layers"])
        input_range = tuple(described["range"]) if "range" in described else None
        return cls(tuple(described["shape"]), *described["scale"], layers, input_range)


def read_container(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a model file, and the bytes of its tensors."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def write_container(path: Path, header: dict[str, Any], data: bytes) -> None:
    """Write a model file whole or not at all."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(struct.pack("<Q", len(text)) + text + data)
    os.replace(temporary, path)


def read_layer(described: dict[str, Any], tensors: dict[str, Array]) -> Layer:
    """A layer of a model file."""
    name = described["name"]
    if described["type"] == "square":
        return Square(name)
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    if described["type"] == "dense":
        return Dense(name, weight, bias)
    return Conv2d(name, weight, bias, described["stride"][0], tuple(described["padding"].values()))


def logit_bits(largest: int) -> float:
    """Bits of a plaintext modulus that holds -largest .. largest."""
    return math.log2(2 * largest + 1)


def centre_logits(model: IntegerModel, images: Array) -> IntegerModel:
    """Put the range that the logits take on `images` symmetrically around zero.

    The constant is common to all classes, so no label changes.
    """
    last = model.layers[-1]
    logits = model.outputs(images)[last.name]
    centre = (int(logits.max()) + int(logits.min())) // 2
    return replace(model, layers=(*model.layers[:-1], replace(last, bias=last.bias - centre)))


def evaluate(model: IntegerModel, split: Split) -> dict[str, Any]:
    """Correct labels and measured ranges of the linear layers on one split."""
    outputs = model.outputs(split.images)
    logits = outputs[model.layers[-1].name]
    correct = int((logits.argmax(axis=1) == split.labels).sum())
    ranges = {name: [int(values.min()), int(values.max())] for name, values in outputs.items()}
    largest = max(abs(int(logits.min())), abs(int(logits.max())))
    return {"correct": correct, "images": len(split.labels), "largest": largest,
            "logit_bits": round(logit_bits(largest), 3), "ranges": ranges}


def declared_bound(*results: dict[str, Any]) -> int:
    """Twice the largest logit measured: room for inputs unlike these."""
    return 2 * max(result["largest"] for result in results)


def changed(gaps: Array, rows: int, deviation: float) -> float:
    """Bound on the part of `rows` images that get another label from independent normal errors of this deviation.

    By the union bound over the logits below the largest: the difference of two errors exceeds a gap with probability
    Q(gap / (deviation * sqrt(2))) = erfc(gap / (2 * deviation)) / 2.
    """
    near = gaps[gaps < 60 * deviation]  # the others would add 0
    return sum(math.erfc(gap / (2 * deviation)) for gap in near.tolist()) / 2 / rows


def logit_tolerance(logits: Array) -> float | None:
    """The largest standard deviation of independent normal errors, one per logit, that changes at most one label in
    `TOLERATED`, to four digits.  Images whose two largest logits are equal do not count: no answer is lost there.
    """
    ordered = np.sort(logits, axis=1)
    gaps = ordered[:, -1:] - ordered[:, :-1]
    gaps = gaps[gaps.min(axis=1, initial=INT64_MAX) > 0]
    if gaps.size == 0:
        return None
    rows, gaps = len(gaps), gaps.ravel().astype(np.float64)
    low, high = gaps.min() / 64, gaps.max()  # too few change, too many
    while high > low * (1 + 1e-9):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if changed(gaps, rows, middle) * TOLERATED <= 1 else (low, middle)
    return float(f"{low:.4g}")


def write_tolerance(path: Path, tolerance: float | None) -> None:
    """Put the tolerance into a model file; nothing else of it changes."""
    header, data = read_container(path)
    metadata = header["__metadata__"]
    network = json.loads(metadata["network"])
    network.pop("logit_tolerance", None)
    if tolerance is not None:
        network["logit_tolerance"] = tolerance
    metadata["network"] = json.dumps(network, separators=(",", ":"))
    write_container(path, header, data)
    print(f"{path.name}: tolerance of the logits {tolerance}")


def summary(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the model file says of its accuracy."""
    kept = ("correct", "images", "logit_bits")
    return {name: {key: result[key] for key in kept} for name, result in results.items()}


def describe(model: IntegerModel, results: dict[str, dict[str, Any]]) -> None:
    """Print accuracy, ranges and sizes of the finished model."""
    for name, result in results.items():
        print(f"{name}: {result['correct']}/{result['images']} correct, logits {result['logit_bits']:.3f} bits")
        for layer, (low, high) in result["ranges"].items():
            print(f"    {layer:8} {low} .. {high}")
    print("proven bounds for any input:")
    for layer, bound in model.bounds().items():
        print(f"    {layer:8} {bound}  (2^{math.log2(bound):.1f})")
    for name, values in model.tensors().items():
        print(f"{name}: {smallest_dtype(values)} {values.min()} .. {values.max()}, "
              f"{np.count_nonzero(values)} of {values.size} not zero")
