"""The network of TenSEAL's MNIST tutorial, evaluated under encryption by TenSEAL as it is installed."""

from time import perf_counter

import onnx
import tenseal as ts
from onnx import numpy_helper

DEGREE = 8192
MODULI = [31, 26, 26, 26, 26, 26, 26, 31]  # bits; the last is the special prime
SCALE = 2**26
WINDOW, STRIDE = 7, 3


class Weights:
    """Of the exported network: four kernels of 7×7, matrices of 256×64 and 64×10, and what is added."""

    def __init__(self, file):
        # The graph is one chain, so its parameters are known by their shapes.
        tensors = [numpy_helper.to_array(tensor) for tensor in onnx.load(file).graph.initializer]
        of = {tensor.shape: tensor for tensor in tensors}
        self.kernels = of[4, 1, WINDOW, WINDOW][:, 0].tolist()
        self.kernel_bias = of[4,].tolist()
        self.dense = [ts.plain_tensor(of[shape].T.tolist()) for shape in [(64, 256), (10, 64)]]
        self.dense_bias = [of[64,].tolist(), of[10,].tolist()]


class Client:
    """Holds the secret key."""

    def __init__(self):
        start = perf_counter()
        self.context = ts.context(ts.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=MODULI, n_threads=1)
        self.context.global_scale = SCALE
        self.context.generate_galois_keys()
        self.keys = self.context.serialize(save_secret_key=False)  # `mm` needs the public key too
        self.keygen = perf_counter() - start

    def encrypt(self, image):
        """Image: 28 rows of 28 pixels from 0 to 1. Gives bytes."""
        columns, _ = ts.im2col_encoding(self.context, image, WINDOW, WINDOW, STRIDE)
        return columns.serialize()

    def decrypt(self, answer):
        """Gives ten logits."""
        return ts.ckks_vector_from(self.context, answer).decrypt()


class Server:
    """Holds the network, and the client's public keys."""

    windows = ((28 - WINDOW) // STRIDE + 1) ** 2

    def __init__(self, weights, keys):
        self.weights = weights
        self.context = ts.context_from(keys, n_threads=1)

    def evaluate(self, query):
        """Bytes in, bytes out."""
        net = self.weights
        columns = ts.ckks_vector_from(self.context, query)
        kernels = zip(net.kernels, net.kernel_bias)
        maps = [columns.conv2d_im2col(kernel, self.windows) + bias for kernel, bias in kernels]
        x = ts.CKKSVector.pack_vectors(maps)
        for matrix, bias in zip(net.dense, net.dense_bias):
            x.square_()
            x = x.mm(matrix) + bias
        return x.serialize()
