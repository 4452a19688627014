"""Random streams: the published generator, the same bits on every path, and the laws they claim."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nsgf import philox, philox_loops
from nsgf.rng import Stream, stream

CPU = torch.device("cpu")
N = 200_000

# Random123's known answers: counter and key, both all 0, all 1, and digits of pi.
KNOWN = [
    ((0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((2**64 - 1, 2**64 - 1), 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x85A308D3243F6A88, 0x0370734413198A2E),
        0x299F31D0A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def signed(value: int) -> int:
    """Bits of an unsigned number as torch's int64 holds them."""
    return value - 2**64 if value >= 2**63 else value


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_words_are_those_of_the_published_generator(counter, key, expected):
    block, draw = counter
    if block >= 2**63 or draw >= 2**63:
        words = reference(block, draw, key)
    else:
        words = [int(w) for w in philox.words(torch.tensor([block]), draw, key)]
        assert words == reference(block, draw, key)
    assert " ".join(f"{w:08x}" for w in words) == expected


def reference(block: int, draw: int, key: int) -> list[int]:
    """The generator in whole numbers, as the paper writes it."""
    low = 2**32 - 1
    c, k = [block & low, block >> 32, draw & low, draw >> 32], [key & low, key >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & low, (p >> 32) ^ c[3] ^ k[1], p & low]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return c


places = (
    st.integers(0, 2**40),
    st.integers(1, 700),
    st.integers(0, 2**20),
    st.integers(0, 2**63 - 1),
)


@given(*places, st.sampled_from([2, 60_000, philox.WIDE, philox.WIDE + 1, 3 * 10**9, 1 << 53]))
@settings(max_examples=30, deadline=None)
def test_compiled_loops_and_torchs_operations_give_the_same_bits(first, count, draw, key, high):
    """A GPU runs the latter; both say what IEEE's arithmetic says."""
    about = (first, count, draw, key, CPU)
    for name, words in (("uniform", ()), ("normal", ()), ("integers", (high,))):
        one, other = (getattr(m, name)(*words, *about) for m in (philox, philox_loops))
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    words = reference(first, draw, key)
    assert [int(w[0]) for w in philox.words(torch.tensor([first]), draw, key)] == words
    assert philox.uniform(*about)[:4].tolist() == [(w >> 8) / 2**24 for w in words]


DRAWS = (
    lambda s: s.normal(33, 7),
    lambda s: s.uniform(100),
    lambda s: s.integers(10, 1000),
    lambda s: s.integers(10**12, 1000),
    lambda s: s.permutation(999),
    lambda s: s.normal_rows([5, 1, 900], 3, 3),
)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_device_draws_the_same(monkeypatch, device):
    """On the CPU the second stream takes the operations that a GPU would."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    here, there = stream(3, "a"), stream(3, "a", device=device)
    expected = [draw(here) for draw in DRAWS]
    for form in ("normal", "uniform", "integers"):
        monkeypatch.setattr(philox_loops, form, getattr(philox, form))
    assert all(torch.equal(e, draw(there).cpu()) for e, draw in zip(expected, DRAWS, strict=True))


def test_a_short_draw_begins_a_longer_one_and_rows_are_rows_of_it():
    for d in (1, 2, 3, 784):
        whole = stream(1).normal(50, d)
        assert torch.equal(stream(1).normal(7, d), whole[:7])
        assert torch.equal(stream(1).normal(50 * d), whole.flatten())
        for rows in ([3], [49, 0, 17], range(11, 20), torch.tensor([4, 4])):
            expected = whole[list(map(int, rows))]
            assert torch.equal(stream(1).normal_rows(rows, d), expected)


def test_draws_and_streams_differ_and_names_fix_them():
    numbers = stream(1, "a")
    first, second = numbers.uniform(64), numbers.uniform(64)
    assert not torch.equal(first, second)
    assert torch.equal(first, stream(1, "a").uniform(64))
    others = [stream(1, "b"), stream(2, "a"), stream(1, "a", 0)]
    assert all(not torch.equal(first, other.uniform(64)) for other in others)


def test_laws_are_those_that_are_named():
    numbers = stream(5, "laws")
    x = numbers.normal(N).double()
    assert stats.kstest(x.numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(numbers.uniform(N).double().numpy(), "uniform").pvalue > 1e-3
    assert 4 < float(x.abs().max()) < 6.7
    pairs = x.view(-1, 2)
    assert abs(float(torch.corrcoef(pairs.T)[0, 1])) < 4 / (N / 2) ** 0.5
    assert abs(float(torch.corrcoef((pairs**2).T)[0, 1])) < 4 / (N / 2) ** 0.5
    for high in (7, 3 * philox.WIDE):
        drawn = numbers.integers(high, N)
        assert 0 <= int(drawn.min()) <= int(drawn.max()) < high
        counts = torch.bincount(drawn * 7 // high, minlength=7).numpy()
        assert stats.chisquare(counts).pvalue > 1e-3


def test_normals_are_as_exact_as_float32_allows():
    """Against the transform in float64; near a quarter turn, too, where one of the two vanishes."""
    words = philox.words(torch.arange(N), 0, 11)
    made = philox_loops.normal(0, N, 0, 11).view(-1, 4).double()
    u = ((words[0] >> 1).float() * 2**-31 + 2**-32).double()
    radius, angle = np.sqrt(-2 * np.log(u.numpy())), words[1].double().numpy() * 2**-32
    for k, quarter in ((0, 0.25), (1, 0.0)):
        exact = radius * np.sin(2 * np.pi * ((angle + quarter + 0.5) % 1 - 0.5))
        ulp = np.spacing(np.abs(exact).astype(np.float32))
        fine = np.abs(exact) > 1e-6  # below, float64's own pi is the limit
        assert (np.abs(made[:, k].numpy() - exact) / ulp)[fine].max() < 8


def test_a_permutation_holds_everything_once_and_favours_no_order():
    assert sorted(stream(1).permutation(1000).tolist()) == list(range(1000))
    assert stream(1).permutation(0).tolist() == []
    orders = [tuple(Stream(k).permutation(3).tolist()) for k in range(3000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3
