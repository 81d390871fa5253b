"""Train small networks on a table of numbers and export them as ONNX models.

A logistic regression, and a network with one hidden layer and the square as its activation: both are sums and products,
so `tacit import` can quantise them. All features of a network share one input scale, so they are standardised (by the
training rows) before they are written: what lies between 0 and 1 beside what lies in the thousands would round to nothing.

Usage: train_table.py --data wdbc.data --out FOLDER
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["benign", "malignant"]


def load(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes of the table of the UCI repository: an identifier, B or M, thirty features."""
    with file.open() as table:
        rows = [row for row in csv.reader(table) if row]
    labels = np.array(["BM".index(row[1]) for row in rows])
    return np.array([[float(cell) for cell in row[2:]] for row in rows]), labels


def train(x: np.ndarray, y: np.ndarray, hidden: int, seed: int, decay: float) -> list[np.ndarray]:
    """Weights and biases by full-batch Adam on the cross-entropy; without hidden units a single layer."""
    rng = np.random.default_rng(seed)
    sizes = [x.shape[1], hidden, 2] if hidden else [x.shape[1], 2]
    params = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        params += [rng.normal(0, 0.5 / np.sqrt(inputs), (outputs, inputs)), np.zeros(outputs)]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    target = np.eye(2)[y]
    for step in range(1, 1501):
        values, inputs = x, []
        for layer in range(0, len(params), 2):
            inputs.append(values)
            sums = values @ params[layer].T + params[layer + 1]
            values = sums if layer == len(params) - 2 else sums**2
        odds = np.exp(values - values.max(axis=1, keepdims=True))
        back = (odds / odds.sum(axis=1, keepdims=True) - target) / len(x)
        gradients = [None] * len(params)
        for layer in range(len(params) - 2, -1, -2):
            gradients[layer] = back.T @ inputs[layer // 2] + decay * params[layer]
            gradients[layer + 1] = back.sum(axis=0)
            if layer:
                before = inputs[layer // 2 - 1] @ params[layer - 2].T + params[layer - 1]
                back = (back @ params[layer]) * 2 * before
        for place, (gradient, (mean, square)) in enumerate(zip(gradients, moments)):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            rate = 0.01 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            params[place] = params[place] - rate * mean / (np.sqrt(square) + 1e-8)
    return params


def export(file: Path, params: list[np.ndarray]) -> None:
    """Layers and squares as ONNX nodes, with the names that `tacit import` shows."""
    tensors, nodes = {}, []
    layers = len(params) // 2
    for layer in range(layers):
        weight, bias = f"weight{layer + 1}", f"bias{layer + 1}"
        tensors |= {weight: params[2 * layer], bias: params[2 * layer + 1]}
        last = layer == layers - 1
        output = "logits" if last else f"sums{layer + 1}"
        nodes.append(helper.make_node("Gemm", [f"x{layer}", weight, bias], [output], f"fc{layer + 1}", transB=1))
        if not last:
            nodes.append(helper.make_node("Mul", [output, output], [f"x{layer + 1}"], f"square{layer + 1}"))
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1))
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    row = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["N", params[0].shape[1]])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, file.stem, [row], [probabilities], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def accuracy(x: np.ndarray, y: np.ndarray, params: list[np.ndarray]) -> str:
    """How many rows are labelled rightly."""
    for layer in range(0, len(params), 2):
        x = x @ params[layer].T + params[layer + 1]
        x = x if layer == len(params) - 2 else x**2
    correct = int((x.argmax(axis=1) == y).sum())
    return f"{correct}/{len(y)} ({100 * correct / len(y):.2f} %)"


def write_rows(file: Path, x: np.ndarray, y: np.ndarray) -> None:
    """The rows with their class as the last column."""
    with file.open("w", newline="") as table:
        csv.writer(table).writerows([*(f"{cell:.5g}" for cell in row), CLASSES[label]] for row, label in zip(x, y))


def main() -> None:
    """Split, train both, export, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="wdbc.data of the UCI repository")
    parser.add_argument("--out", type=Path, required=True, help="folder for the models and rows")
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    x, y = load(options.data)
    order = np.random.default_rng(options.seed).permutation(len(x))
    test, fit = order[: len(x) // 4], order[len(x) // 4 :]
    x = (x - x[fit].mean(axis=0)) / x[fit].std(axis=0)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, hidden, decay in [("logistic", 0, 1e-3), ("square-mlp", options.hidden, 3e-3)]:
        params = train(x[fit], y[fit], hidden, options.seed, decay)
        export(options.out / f"{name}.onnx", params)
        scores = [accuracy(x[part], y[part], params) for part in (fit, test)]
        print(f"{name}: train {scores[0]}, test {scores[1]}")
    write_rows(options.out / "train.csv", x[fit], y[fit])
    write_rows(options.out / "test.csv", x[test], y[test])


if __name__ == "__main__":
    main()
