//! Examples and exit codes, as `--help` shows them.

/// The networks that `--net` knows by name.
pub(super) fn net() -> String {
    let lines = tacit_model::NAMED.iter().map(|network| format!("{}: {}", network.name, network.about));
    format!("A model file, or a network that comes with this command:\n{}\n", lines.collect::<Vec<_>>().join("\n"))
}

pub(super) const TOP: &str = "\
Examples:
  tacit demo                                  label a sample digit blindly
  tacit demo --image digit.jpg                the same with your own picture
  tacit plan                                  what the server computes, and what it costs
  tacit eval --images mnist --count 100       accuracy and time on a data set
  tacit import model.onnx                     bring your own network

Through files, client and server apart:
  tacit keygen --out keys
  tacit encrypt --keys keys --digit 7 --out query
  tacit evaluate --eval-keys keys/evaluation.key --query query --out answer
  tacit decrypt --keys keys --answer answer

Exit codes:
  0 done   1 failure   2 command line not understood   3 encrypted and clear results differ
  4 insecure or unsupported parameters or plan   6 noise budget exhausted   130 interrupted

NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb are respected.";

pub(super) const DEMO: &str = "\
Examples:
  tacit demo                      a random sample digit
  tacit demo --digit 7            this one
  tacit demo --image digit.jpg    a photo of your own: one digit, dark ink on paper
  tacit demo --json | jq .label

Exit codes: 0 done, 1 failure, 3 the encrypted logits differ from the clear ones,
4 no secure parameters, 6 noise budget exhausted.";

pub(super) const EVAL: &str = "\
A folder holds one of these, or the same for --split train:
  t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with or without .gz
  test_batch.bin, as CIFAR-10 has it (or test_batch_first1000.bin)
  features_test.npy and labels_test.npy, features of real numbers and their classes

Examples:
  tacit eval --images mnist --count 100                      encrypted
  tacit eval --images mnist --count 10000 --scheme clear     the same network in the clear
  tacit eval --images mnist --count 20 --threads 1 --json    one object for a script
  tacit eval --net cifar --images cifar10 --count 1000 --scheme clear
  tacit eval --net caltech --images features.npy --labels labels.npy --count 1010 --scheme clear

Times are medians per image. With `--threads 1`, the server's is predicted before it is measured: see `tacit plan`.

Exit codes: 0 done, 1 failure, 3 the encrypted logits differ from the clear ones,
4 no secure parameters, 6 noise budget exhausted.";

pub(super) const KEYGEN: &str = "\
`secret.key` is readable by its owner alone and never leaves the client. `evaluation.key` goes to the server, once.

Examples:
  tacit keygen --out keys
  tacit keygen --out keys --force       replace the keys

Exit codes: 0 done, 1 failure, 4 no secure parameters.";

pub(super) const ENCRYPT: &str = "\
Examples:
  tacit encrypt --keys keys --image digit.png --out query
  tacit encrypt --keys keys --digit 7 --out query
  tacit encrypt --keys keys --images mnist --index 42 --out query
  tacit encrypt --keys keys --digit 7 --out - | ssh server tacit evaluate --query - …

Exit codes: 0 done, 1 failure, 4 no secure parameters.";

pub(super) const EVALUATE: &str = "\
There is no way to give this command a secret key: one that is passed as evaluation keys is refused.

Examples:
  tacit evaluate --eval-keys evaluation.key --query query --out answer
  tacit evaluate --eval-keys evaluation.key --query - --out - --threads 4 < query > answer

Exit codes: 0 done, 1 failure, 4 no secure parameters, 6 noise budget exhausted.";

pub(super) const DECRYPT: &str = "\
Examples:
  tacit decrypt --keys keys --answer answer
  tacit decrypt --keys keys --answer answer --json

Exit codes: 0 done, 1 failure, 4 no secure parameters, 6 noise budget exhausted.";

pub(super) const PLAN: &str = "\
Key switches are what costs time; noise is what limits depth. Noise bounds are proved, for any input. Times are predicted:
the plan's calls of kernels are counted, and a tenth of a second goes into timing the kernels, on no one's data.

Examples:
  tacit plan
  tacit plan mnist --explain                  what else was compared, and where the time will go
  tacit plan --ops | less
  tacit plan --svg plan.svg                   a picture of it, for a browser
  tacit plan my.tacit --json | jq .predicted_ms

Exit codes: 0 done, 1 failure, 4 no secure parameters.";

pub(super) const IMPORT: &str = "\
Encryption computes sums and products: convolutions, matrices, average pools, normalisation, and squares (x·x) between
them. Whatever else is in a model is refused by its name.

A folder of images holds pixels from 0 to 255; rows of a file are what the model itself reads. The last column of a
table may be the class, by name or number.

Examples:
  tacit import model.onnx                                              what is in it, and its layers under encryption
  tacit import model.onnx --calibrate mnist --out model.tacit          integers chosen on MNIST
  tacit import model.onnx --calibrate rows.csv --loss 0.5 --out model.tacit
  tacit eval --net model.tacit --images rows.csv --scheme clear
  tacit import resnet.onnx --clear --calibrate rows.npy --labels labels.npy

Exit codes: 0 done, 1 failure, 4 an operation that encryption cannot compute.";
