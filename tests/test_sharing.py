"""Weight sharing and Huffman's code: what they cost in bits, and that all comes back."""

import gzip

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from kdcore import models
from kdcore.compress.export import to_onnx
from kdcore.compress.huffman import codewords, decoded, encoded, lengths
from kdcore.compress.prune import smallest, zero
from kdcore.compress.sensitivity import answers, same
from kdcore.compress.sharing import clustered, shared, unpacked
from kdcore.errors import RecipeError

PICTURE = (1, 8, 8)


@pytest.fixture(scope="module")
def network():
    return models.get("mlp").build(PICTURE, 10, {"widths": [64]}, seed=0)


@pytest.fixture(scope="module")
def model(network) -> bytes:
    return to_onnx(network, PICTURE)


def weights(model: bytes) -> dict[str, np.ndarray]:
    held = onnx.load_from_string(model).graph.initializer
    return {each.name: numpy_helper.to_array(each) for each in held}


# Huffman's code


def test_a_known_code_has_its_known_lengths():
    # 45, 13, 12, 16, 9 and 5: Cormen, Leiserson, Rivest and Stein, "Introduction to Algorithms",
    # section 16.3, figure 16.3: 224 bits for a hundred letters
    counts = [45, 13, 12, 16, 9, 5]
    assert lengths(counts) == [1, 3, 3, 3, 4, 4]
    assert sum(count * size for count, size in zip(counts, lengths(counts), strict=True)) == 224


def test_halves_quarters_and_eighths_take_exactly_their_entropy():
    # −log2 of 1/2, 1/4, 1/8 and 1/8
    assert lengths([8, 4, 2, 2]) == [1, 2, 3, 3]
    assert codewords([1, 2, 3, 3]) == [0b0, 0b10, 0b110, 0b111]


def test_no_code_takes_a_bit_more_than_the_entropy():
    drawn = np.random.default_rng(0)
    for _ in range(20):
        counts = drawn.integers(0, 1000, 16) ** 2
        shares = counts[counts > 0] / counts.sum()
        entropy = -(shares * np.log2(shares)).sum()
        mean = (np.array(lengths(counts.tolist())) * counts).sum() / counts.sum()
        assert entropy <= mean + 1e-9 < entropy + 1


def test_a_symbol_that_is_the_only_one_takes_a_bit():
    assert lengths([0, 7, 0]) == [0, 1, 0]


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_what_is_encoded_comes_back(count):
    symbols = (np.random.default_rng(1).geometric(0.3, count) % 11).astype(np.uint8)
    assert decoded(encoded(symbols, 11)).tolist() == symbols.tolist()


def test_codes_that_are_laid_out_in_parts_are_one(monkeypatch):
    symbols = (np.arange(1000) ** 2 % 7).astype(np.uint8)
    whole = encoded(symbols, 7)
    monkeypatch.setattr("kdcore.compress.huffman.AT_ONCE", 64)
    assert encoded(symbols, 7) == whole


# k-means


def test_two_clusters_are_the_means_of_the_two_heaps():
    centres, which = clustered(np.array([1, 9, 2, 11, 3], np.float32), 2)
    assert centres.tolist() == [2, 10]
    assert which.tolist() == [0, 1, 0, 1, 0]


def test_zeros_stay_zero_and_take_one_of_the_numbers():
    values = np.array([0, 0, -4, -5, 6, 8], np.float32)
    centres, which = clustered(values, 3)
    assert centres.tolist() == [-4.5, 0, 7]
    assert centres[which].tolist() == [0, 0, -4.5, -4.5, 7, 7]


def test_fewer_values_than_numbers_are_all_kept():
    values = np.array([0.5, -1, 0.5], np.float32)
    centres, which = clustered(values, 16)
    assert centres[which].tolist() == values.tolist()


def test_one_number_for_all_is_their_mean():
    centres, which = clustered(np.array([1, 2, 6], np.float32), 1)
    assert centres.tolist() == [3]
    assert which.tolist() == [0, 0, 0]


# a model


def test_a_layers_weights_share_so_many_numbers(model):
    found = weights(shared(model, 4).model)
    assert len(np.unique(found["1.weight"])) <= 16
    assert found["1.bias"].tolist() == weights(model)["1.bias"].tolist()


def test_the_packed_file_becomes_the_very_model_again(model):
    found = shared(model, 3)
    assert weights(unpacked(found.packed)).keys() == weights(model).keys()
    assert unpacked(found.packed) == found.model


def test_sharing_takes_no_more_than_its_bits_for_a_weight_and_a_list_for_each_layer(model):
    # 64·64 + 64·10 weights at 5 bits, two lists of 32 numbers of four bytes, and the graph
    packed = len(shared(model, 5).packed)
    graph = len(gzip.compress(model)) - 4 * (64 * 64 + 64 * 10) * 0.9
    assert packed < 5 / 8 * (64 * 64 + 64 * 10) + 2 * 32 * 4 + graph
    assert len(shared(model, 5).model) == len(model)


def test_the_answers_of_shared_weights_approach_the_networks(model):
    inputs = torch.randn(400, *PICTURE, generator=torch.Generator().manual_seed(0)).numpy()
    whole = answers(model, inputs)
    kept = [same(answers(shared(model, bits).model, inputs), whole) for bits in (1, 3, 8)]
    assert kept[0] < kept[1] < kept[2]
    assert kept[2] > 0.98


def test_zeros_of_a_pruned_network_are_kept_in_about_a_bit(network):
    pruned = models.get("mlp").build(PICTURE, 10, {"widths": [64]}, seed=0)
    zero(pruned, smallest(pruned, 0.9))
    model = to_onnx(pruned, PICTURE)
    found = shared(model, 5)
    values = weights(found.model)
    assert (values["1.weight"] == 0).sum() >= (weights(model)["1.weight"] == 0).sum()
    count = 64 * 64 + 64 * 10
    whole = len(shared(to_onnx(network, PICTURE), 5).packed)
    # a bit for each of nine in ten, five and one for the rest, against almost five for all
    assert whole - len(found.packed) > count * (4.5 - 1.6) / 8


@pytest.mark.parametrize("bits", [0, 9])
def test_bits_that_cannot_be_are_refused(bits, model):
    with pytest.raises(RecipeError, match="1 to 8 bits"):
        shared(model, bits)


def test_a_model_without_a_large_layer_has_nothing_to_share():
    tiny = to_onnx(models.get("mlp").build((2,), 2, {"widths": []}, seed=0), (2,))
    with pytest.raises(RecipeError, match="no weights can be shared"):
        shared(tiny, 4)
