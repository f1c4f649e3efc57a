"""The converter's linear algebra: near the truth, and the same bits whatever BLAS and vector units do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from convert import exact
from engine import tables as engine_tables
from frontend import tables as frontend_tables

ROOT = Path(__file__).parents[2]
CORE_TYPES = {"Nehalem": "sse4_2", "Sandybridge": "avx", "Haswell": "avx2", "Zen": "avx2", "SkylakeX": "avx512vl"}
"""OpenBLAS's kernels, and the processor's flag without which they cannot run."""
VECTOR_UNITS = "AVX FMA3 F16C AVX2 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
QUANTISE = """
import hashlib, sys
import threadpoolctl
from convert import calibration, fold, native
from engine import network
from common import checkpoint
from common.description import FEATURES

features = calibration.shipped().features[::16]
folded = fold.fold(checkpoint.load(sys.argv[1]))
logits = fold.forward(folded, FEATURES.dequantize(features))
blas = next(row for row in threadpoolctl.threadpool_info() if "numpy" in row["filepath"])
network.save(sys.argv[2], native.quantise(folded, 1, features, "mse"))
print(blas["architecture"], blas["num_threads"], hashlib.sha256(logits.tobytes()).hexdigest())
"""


def quantise(out: Path, **environment: str) -> tuple[str, str, str, bytes]:
    """Core type and threads that BLAS took, hash of the float logits, and the file of the integer network."""
    done = subprocess.run(
        [sys.executable, "-c", QUANTISE, "checkpoints/tau1.safetensors", out],
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    return *done.stdout.split(), out.read_bytes()


def test_native_network_is_the_same_bytes_on_other_processors_and_threads(tmp_path):
    flags = Path("/proc/cpuinfo").read_text().split()
    usable = [name for name, flag in CORE_TYPES.items() if flag in flags]
    if len(usable) < 3:
        pytest.skip(f"this processor runs {len(usable)} of OpenBLAS's core types, three are compared")
    settings = [{"OPENBLAS_CORETYPE": name, "OPENBLAS_NUM_THREADS": str(1 + index % 2)} for index, name in enumerate(usable)]
    settings += [{"NPY_DISABLE_CPU_FEATURES": " ".join(unit for unit in VECTOR_UNITS.split() if _dispatched(unit))}]
    made = [quantise(tmp_path / "native.npz", **setting) for setting in settings]
    assert {row[0] for row in made} >= set(usable) and {row[1] for row in made} == {"1", "2"}
    assert len({row[2] for row in made}) == 1, "the float network's logits differ"
    assert len({row[3] for row in made}) == 1, "the integer network's bytes differ"


def _dispatched(unit: str) -> bool:
    """Whether NumPy has code of its own for this vector unit and would use it here."""
    from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return unit in __cpu_dispatch__ and __cpu_features__[unit]


@pytest.mark.parametrize("name", ("equalise", "fold", "native", "ranges", "rounding"))
def test_what_decides_an_integer_calls_no_function_that_depends_on_the_processor(name):
    tree = ast.parse((ROOT / "convert" / f"{name}.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
    }
    assert not used & {
        "linalg",
        "einsum",
        "dot",
        "matmul",
        "tensordot",
        "inner",
        "vdot",
        "cov",
        "exp",
        "exp2",
        "power",
        "tanh",
        "log",
    }
    assert not any(isinstance(node, ast.MatMult) for node in ast.walk(tree)), "a product of matrices is BLAS's"


def test_contract_keeps_40_bits_of_the_largest_term():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(6, 25)) * 10.0 ** rng.integers(-3, 3, (6, 1))
    x = rng.normal(size=(2, 25, 3)) * 100
    truth = np.array(
        [
            [[float(sum(Fraction(w) * Fraction(v) for w, v in zip(row, clip[:, t]))) for t in range(3)] for row in weight]
            for clip in x
        ]
    )
    bound = np.abs(weight).max(1)[:, None] * np.abs(x).max() * 2.0**-40
    assert (np.abs(exact.contract(weight, x) - truth) < bound).all()


def test_contract_does_not_depend_on_the_order_of_its_terms():
    rng = np.random.default_rng(1)
    weight, x, order = rng.normal(size=(8, 160)), rng.normal(size=(2, 160, 50)), rng.permutation(160)
    assert np.array_equal(exact.contract(weight, x), exact.contract(weight[:, order], x[:, order]))


@pytest.mark.parametrize("low, high, samples", [(0, 256, 20_000), (-(1 << 15), 1 << 15, 12_928), (-128, 128, 7)])
def test_moments_of_integers_are_exact(low, high, samples):
    rng = np.random.default_rng(2)
    x = rng.integers(low, high, (4, samples))
    y = rng.integers(-1000, 1000, (2, samples))
    mu, nu, covariance, cross = exact.moments(x.astype(float), y.astype(float))

    def truth(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.tolist(), b.tolist()
        return float(Fraction(sum(p * q for p, q in zip(a, b)), samples) - Fraction(sum(a) * sum(b), samples**2))

    np.testing.assert_allclose(mu, x.mean(1), rtol=1e-15)
    np.testing.assert_allclose(nu, y.mean(1), rtol=1e-15)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        covariance / np.outer(scale, scale),
        np.array([[truth(a, b) for b in x] for a in x]) / np.outer(scale, scale),
        atol=1e-12,
    )
    np.testing.assert_allclose(cross / scale, np.array([[truth(a, b) for b in x] for a in y]) / scale, atol=1e-9)


@pytest.mark.parametrize("n", (1, 3, 25, 160))
def test_triangular_factors_solve_and_invert(n):
    rng = np.random.default_rng(n)
    mixing = rng.normal(size=(n, 2 * n))
    matrix, right = mixing @ mixing.T / n + 0.1 * np.eye(n), rng.normal(size=(n, 5))
    np.testing.assert_allclose(exact.solve(matrix, right), np.linalg.solve(matrix, right), atol=1e-9)
    upper = exact.inverse_factor(matrix)
    assert np.array_equal(upper, np.triu(upper))
    np.testing.assert_allclose(upper.T @ upper @ matrix, np.eye(n), atol=1e-9)


def test_products_and_quadratic_forms_are_those_of_blas_but_for_rounding():
    rng = np.random.default_rng(5)
    a, b, matrix = rng.normal(size=(7, 20)), rng.normal(size=(20, 4)), rng.normal(size=(20, 20))
    np.testing.assert_allclose(exact.product(a, b), a @ b, atol=1e-13)
    np.testing.assert_allclose(exact.product(a, b[:, 0]), a @ b[:, 0], atol=1e-13)
    np.testing.assert_allclose(exact.quadratic(a[None], matrix)[0], ((a @ matrix) * a).sum(1), atol=1e-12)


def test_exponential_is_within_two_units_in_the_last_place():
    x = np.concatenate([np.linspace(-700, 700, 100_001), [0.0, 0.5 * np.log(2), -1e-9]])
    assert (np.abs(exact.exp(x) / np.exp(x) - 1) < 4 * np.finfo(float).eps).all()
    assert exact.sigmoid(np.array([0.0]))[0] == 0.5 and exact.sigmoid(np.array([-1e4, 1e4])) == pytest.approx([0, 1])


@pytest.mark.parametrize("toward", (-np.inf, np.inf))
def test_tables_do_not_hang_on_the_last_bits_of_a_library_function(toward, monkeypatch):
    """What a processor's cosine, logarithm or exponential may differ by moves no entry."""
    scales = 2.0 ** np.arange(-16, 3)
    silu, pipeline = engine_tables.silu(), frontend_tables.tables.__wrapped__()
    exponentials = [engine_tables.exponentials(scale).values for scale in scales]
    for name in ("exp", "cos", "sin", "log2"):
        original = getattr(np, name)
        monkeypatch.setattr(np, name, lambda x, original=original: np.nextafter(np.nextafter(original(x), toward), toward))
    assert np.array_equal(silu, engine_tables.silu())
    assert all(
        np.array_equal(values, engine_tables.exponentials(scale).values) for values, scale in zip(exponentials, scales)
    )
    moved = frontend_tables.tables.__wrapped__()
    assert all(np.array_equal(value, getattr(moved, name)) for name, value in vars(pipeline).items())
