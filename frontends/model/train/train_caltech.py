"""Train the CalTech-101 model: one linear layer on deep features, in exact integer arithmetic.

In the paper the client evaluates the public part of a deep network and encrypts its features; the server's own part is
a linear layer.  Here the features are the 1280 averages before the last layer of MobileNetV2, between 0 and 6:

    x  = round_half_even(feature * num)
    y  = W . x + b,      label = argmax y

W is a ridge regression on standardised features, rounded to integers; its penalty is the best of a cross-validation over
the training images.  There are 102 outputs, as in the paper: output 0 stands for the background, of which the split has
no image, and is kept below the others.

    python train_caltech.py --data CALTECH_FOLDER --out ../models/caltech.safetensors
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

from integers import (Array, Dense, IntegerModel, Split, centre_logits, declared_bound, describe, evaluate,
                      logit_tolerance, read_container, summary, write_tolerance)

CLASSES = 102
LARGEST = 6  # of a feature: the average of a clipped ReLU
FOLDS = 5
PENALTIES = (100, 200, 300, 500, 1000, 2000)


def load_data(folder: Path) -> tuple[dict[str, Split], list[str]]:
    """Features and labels of both parts, and the names of the classes."""
    splits = {}
    for part in ("train", "test"):
        features = np.load(folder / f"mobilenetv2_feat1280_{part}.f16.npy").astype(np.float64)
        splits[part] = Split(features, np.load(folder / f"labels_{part}.npy"))
    names = ["background"] * CLASSES
    for line in (folder / "cal_train.tsv").read_text().splitlines():
        image, label = line.split("\t")
        names[int(label)] = image.split("/")[0]
    return splits, names


def ridge(features: Array, labels: Array, penalty: float) -> tuple[Array, Array]:
    """Real weights [102, features] and biases [102] that regress the classes, one at the right place."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = (features - mean) / deviation
    y = np.eye(CLASSES)[labels]
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    weight = np.linalg.solve(gram, x.T @ (y - y.mean(axis=0))).T / deviation
    # Nothing that is common to all classes decides.
    weight = weight - weight[1:].mean(axis=0)
    bias = y.mean(axis=0) - weight @ mean
    weight[0], bias[0] = 0, 0
    return weight, bias - bias[1:].mean()


def fit(data: Split, penalty: float, options: argparse.Namespace) -> IntegerModel:
    """The integer network that these data give."""
    inputs = (0, LARGEST * options.levels)
    real, bias = ridge(np.rint(data.images * options.levels), data.labels, penalty)
    scale = options.rms / np.sqrt(np.mean(real**2))
    weight = np.clip(np.rint(real * scale), -options.largest, options.largest).astype(np.int64)
    dense = Dense("dense1", weight, np.rint(bias * scale).astype(np.int64))
    model = IntegerModel((data.images.shape[1], 1, 1), options.levels, 1, (dense,), inputs)
    model = centre_logits(model, data.images)
    model.layers[0].bias[0] = model.outputs(data.images)["dense1"].min()  # the background
    return model


def cross_validate(data: Split, penalty: float, options: argparse.Namespace) -> Array:
    """Logits of the images by networks that were fitted without them."""
    fold = np.random.default_rng(12345).permutation(len(data.labels)) % FOLDS
    logits = np.zeros((len(data.labels), CLASSES), np.int64)
    for number in range(FOLDS):
        kept = Split(data.images[fold != number], data.labels[fold != number])
        logits[fold == number] = fit(kept, penalty, options).outputs(data.images[fold == number])["dense1"]
    return logits


def balanced(model: IntegerModel, data: Split) -> float:
    """Mean over the classes of the part of their images that is labelled rightly."""
    right = model.outputs(data.images)["dense1"].argmax(axis=1) == data.labels
    return float(np.mean([right[data.labels == label].mean() for label in np.unique(data.labels)]))


def parse() -> argparse.Namespace:
    """Command line; the defaults are the recipe of the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the features and the lists of the split")
    add("--out", type=Path, required=True, help="model file to write")
    add("--measure", action="store_true", help="train nothing: measure the tolerance of the model in --out anew")
    add("--levels", type=int, default=2, help="integer inputs per unit of a feature")
    add("--rms", type=float, default=2.0, help="root mean square of the integer weights")
    add("--largest", type=int, default=7, help="largest weight")
    return parser.parse_args()


def main() -> None:
    """Choose the penalty, fit, evaluate exactly, write the model file."""
    options, start = parse(), time.monotonic()
    data, names = load_data(options.data)
    if options.measure:
        recipe = json.loads(read_container(options.out)[0]["__metadata__"]["training"])["recipe"]
        held = cross_validate(data["train"], recipe["penalty"], argparse.Namespace(**recipe))
        return write_tolerance(options.out, logit_tolerance(held))
    held = {penalty: cross_validate(data["train"], penalty, options) for penalty in PENALTIES}
    scores = {penalty: int((logits.argmax(axis=1) == data["train"].labels).sum()) for penalty, logits in held.items()}
    for penalty, correct in scores.items():
        print(f"penalty {penalty}: {correct}/{len(data['train'].labels)} in cross-validation")
    penalty = max(scores, key=scores.get)
    model = fit(data["train"], penalty, options)
    results = {name: evaluate(model, split) for name, split in data.items()}
    describe(model, results)
    for name, split in data.items():
        print(f"{name}: class-balanced {100 * balanced(model, split):.2f} %")
    training = {
        "script": "train_caltech.py",
        "recipe": {"levels": options.levels, "rms": options.rms, "largest": options.largest, "penalty": penalty},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "results": summary(results) | {"cross-validation": {"correct": scores[penalty]}},
    }
    bound = declared_bound(results["train"])
    print(f"declared bound of the logits: {bound}")
    model.save(options.out, "caltech", names, bound, logit_tolerance(held[penalty]), training)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, {time.monotonic() - start:.0f} s in total")


if __name__ == "__main__":
    main()
