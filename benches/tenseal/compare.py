"""TenSEAL's MNIST tutorial beside `tacit`: one trained network, the same images, one thread, one table.

run.sh calls this with the command and the working folder; README.md says what is compared.
"""

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import peer

# Each is tried; what this version of the command refuses is named below the table.
OURS = [("ckks", "latency"), ("ckks", "upload"), ("bfv", "latency")]
# The sides take turns by so many images.
TURN = 5
# The largest log2(QP) for 128 bits with ternary secrets at the peer's degree: ePrint 2024/463, Table 5.2.
PEER_BOUND = 214

TIMES = [("encrypt_ms", "client: encrypt"), ("server_ms", "server: evaluate"), ("decrypt_ms", "client: decrypt")]
QUICKEST = [("server_quickest_ms", "server, quickest turn")]
ONCE = [("keygen_ms", "make keys, once")]
SIZES = [("upload_bytes", "upload"), ("download_bytes", "download"), ("key_bytes", "evaluation keys, once")]


def main():
    args = arguments()
    if not args.data.is_dir():
        sys.exit(f"error: there is no folder {args.data}: --data names the one with the IDX files of MNIST")
    model, network = args.work / "model.onnx", args.work / "model.tacit"
    if not model.exists():
        say("training")
        train = [sys.executable, Path(__file__).with_name("train.py"), "--data", args.data, "--out", model]
        must(train, stdout=sys.stderr)
    say("choosing integers")
    adapt = [args.tacit, "import", model, "--calibrate", args.data, "--out", network, "--quiet"]
    adapt += ["--loss", args.loss] if args.loss else []
    must(adapt, stdout=subprocess.DEVNULL)
    try:
        report = measure(args, model, network)
    except Refused as refusal:
        sys.exit(f"error: `tacit eval` failed: {refusal}")
    print(json.dumps(report) if args.json else table(report))


def arguments():
    options = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True, type=Path, help="folder with the four IDX files of MNIST, gzip")
    options.add_argument("--count", type=int, default=20, help="test images [default: 20]")
    options.add_argument("--loss", help="accuracy that integers may cost, in percent; for `tacit import`")
    options.add_argument("--backend", help="kernels of tacit [default: the fastest of this machine]")
    options.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options.add_argument("--tacit", required=True, type=Path, help=argparse.SUPPRESS)
    options.add_argument("--work", required=True, type=Path, help=argparse.SUPPRESS)
    args = options.parse_args()
    if not 1 <= args.count <= 10_000:
        options.error(f"--count {args.count}: MNIST has 10,000 test images")
    return args


def must(command, **options):
    """Runs what says itself what is wrong if it fails."""
    code = subprocess.run(command, check=False, **options).returncode
    if code:
        sys.exit(code)


def say(what):
    print(what, "…", file=sys.stderr)


def load(folder, count):
    """The first test images, as pixels from 0 to 1, and their labels."""
    def body(name, header):
        with gzip.open(folder / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    images = body("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[:count] / 255
    return images, body("t10k-labels-idx1-ubyte.gz", 8)[:count]


def measure(args, model, network):
    """Warms every side up, then lets them take turns."""
    say("TenSEAL: making keys")
    sides, refused = {"TenSEAL": Peer(model, *load(args.data, args.count))}, []
    sides["TenSEAL"].evaluate(0, 1)
    for scheme, plan in OURS:
        ours = Tacit(args, network, scheme, plan)
        try:
            ours.evaluate(0, 1)
            sides[f"tacit {scheme} {plan}"] = ours
        except Refused as refusal:
            refused.append({"scheme": scheme, "plan": plan, "because": str(refusal)})
    turns = {name: [] for name in sides}
    for start in range(0, args.count, TURN):
        count = min(TURN, args.count - start)
        say(f"images {start + 1} to {start + count} of {args.count}")
        for name, side in sides.items():
            turns[name].append(side.evaluate(start, count))
    theirs = turns["TenSEAL"]
    return {
        "images": args.count,
        "largest_logit_error_of_peer": sides["TenSEAL"].error,
        "sides": {name: summary(ours, None if ours is theirs else theirs) for name, ours in turns.items()},
        "refused": refused,
    }


class Peer:
    """TenSEAL: both halves, which exchange bytes."""

    def __init__(self, model, images, labels):
        self.images, self.labels = images, labels
        self.client = peer.Client()
        self.server = peer.Server(peer.Weights(model), self.client.keys)
        self.model = ReferenceEvaluator(onnx.load(model))
        self.error = 0.0

    def evaluate(self, skip, count):
        times, right = [], 0
        for image, label in zip(self.images[skip : skip + count], self.labels[skip : skip + count]):
            pixels = image.tolist()
            stamps = [perf_counter()]
            query = self.client.encrypt(pixels)
            stamps.append(perf_counter())
            answer = self.server.evaluate(query)
            stamps.append(perf_counter())
            logits = self.client.decrypt(answer)
            stamps.append(perf_counter())
            times.append(np.diff(stamps) * 1000)
            right += int(np.argmax(logits) == label)
            self.check(image, logits)
        facts = {
            "ring_degree": peer.DEGREE,
            "log2_qp": sum(peer.MODULI),
            "log2_qp_limit": PEER_BOUND,
            "upload_bytes": len(query),
            "download_bytes": len(answer),
            "key_bytes": len(self.client.keys),
            "keygen_ms": self.client.keygen * 1000,
            "correct": right,
        }
        return facts | dict(zip((key for key, _ in TIMES), np.median(times, axis=0).tolist()))

    def check(self, image, logits):
        """A peer that computes something else is no peer."""
        (exact,) = self.model.run(None, {self.model.input_names[0]: image[None, None].astype(np.float32)})
        error = np.abs(exact[0] - logits).max()
        if error > 0.1 * np.abs(exact).max():
            sys.exit(f"error: TenSEAL's logits are {error:.3} from the model's: they do not compute the same")
        self.error = max(self.error, float(error))


class Refused(Exception):
    """The command does not know a scheme or a plan, or cannot do it."""


class Tacit:
    """`tacit eval`, which checks every logit against the exact network."""

    def __init__(self, args, network, scheme, plan):
        self.command = [args.tacit, "eval", "--net", network, "--images", args.data, "--scheme", scheme, "--plan", plan,
                        "--threads", "1", "--json", "--quiet"]
        if args.backend:
            self.command += ["--backend", args.backend]

    def evaluate(self, skip, count):
        command = [*self.command, "--skip", str(skip), "--count", str(count)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stderr.splitlines() or ["no reason given"])[0]
            raise Refused(f"exit code {done.returncode}, {said}")
        return json.loads(done.stdout)


def summary(turns, peers=None):
    """Medians over the turns; if there is a peer, its figures divided by these, turn by turn."""
    first = turns[0]
    result = {key: first.get(key) for key in ["ring_degree", "log2_qp", "log2_qp_limit", "plain_moduli", "backend"]}
    result["correct"] = sum(turn["correct"] for turn in turns)
    result["ratios"] = {}
    for key, _ in TIMES + ONCE + SIZES:
        values = [turn.get(key) for turn in turns]
        if None in values:
            continue
        result[key] = median(values)
        if peers:
            result["ratios"][key] = median(theirs[key] / value for theirs, value in zip(peers, values))
    # On a machine that is not quiet the quickest turn is the closest to what the work takes.
    result["server_quickest_ms"] = quickest(turns)
    if peers:
        result["ratios"]["server_quickest_ms"] = quickest(peers) / quickest(turns)
    return result


def quickest(turns):
    return min(turn["server_ms"] for turn in turns)


def table(report):
    sides = report["sides"]
    rows = [["", *sides]]
    shown = [(row, milliseconds) for row in TIMES + QUICKEST + ONCE] + [(row, size) for row in SIZES]
    for (key, name), unit in shown:
        rows.append([name, *(cell(side, key, unit) for side in sides.values())])
    rows.append(["right", *(f"{side['correct']} of {report['images']}" for side in sides.values())])
    rows.append(["ring degree", *(str(side["ring_degree"]) for side in sides.values())])
    rows.append(["log2(QP), bound for 128 bits", *(security(side) for side in sides.values())])
    rows.append(["backend", *(side["backend"] or "SEAL" for side in sides.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += ["", "times: medians of one thread, bytes to bytes; in brackets TenSEAL's figure divided by ours"]
    lines += [f"largest error of a logit of TenSEAL: {report['largest_logit_error_of_peer']:.2g}"]
    lines += [f"tacit {one['scheme']} {one['plan']}: refused ({one['because']})" for one in report["refused"]]
    return "\n".join(lines)


def cell(side, key, shown):
    if key not in side:
        return "–"
    ratio = side["ratios"].get(key)
    return shown(side[key]) if ratio is None else f"{shown(side[key])} ({ratio:.3g})"


def milliseconds(value):
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def size(count):
    for unit, scale in [("MB", 1e6), ("kB", 1e3)]:
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} B"


def security(side):
    have, bound = side["log2_qp"], side["log2_qp_limit"]
    if have is None or bound is None:
        return "–"
    return f"{have} of {bound}" + ("" if have <= bound else ": above")


if __name__ == "__main__":
    main()
