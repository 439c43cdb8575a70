"""Weights as safetensors: the header is held to its limits before any tensor is read."""

import json

import pytest
import safetensors.torch
import torch

from kdcore import models
from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.weights import check_safetensors, load_into

PICTURE = (1, 8, 8)


def written(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def network(seed=0):
    return models.get("mlp").build(PICTURE, 10, {"widths": [6]}, seed)


def saved(seed=1, **changed) -> bytes:
    return safetensors.torch.save({**network(seed).state_dict(), **changed})


def test_weights_are_loaded_every_one():
    mine = network(seed=0)
    load_into(mine, saved(seed=1))
    for name, tensor in network(seed=1).state_dict().items():
        assert torch.equal(mine.state_dict()[name], tensor)


def test_half_precision_becomes_what_the_network_is_of():
    mine = network()
    halves = {name: tensor.half() for name, tensor in network(1).state_dict().items()}
    load_into(mine, safetensors.torch.save(halves))
    assert all(tensor.dtype == torch.float32 for tensor in mine.state_dict().values())


def test_the_header_tells_what_is_there():
    found = check_safetensors(saved())
    assert sum(tensor.elements for tensor in found.values()) == 64 * 6 + 6 + 6 * 10 + 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no safetensors file"),
        (b"\x80\x04\x95rest of a pickle", "a PyTorch file (a pickle"),
        (b"PK\x03\x04 and more", "a PyTorch file (a pickle"),
        (b"\x89HDF\r\n\x1a\n", "a Keras file"),
        ((10**12).to_bytes(8, "little") + b"{}", "header says it has 1,000,000,000,000 bytes"),
        ((500).to_bytes(8, "little") + b"{}", "ends within its header"),
        (written(b"{]"), "its header is no JSON"),
        (written(b"{" + b'"a":{' * 5000), "its header is no JSON"),
        (written({}), "holds no tensors"),
        (written({"__metadata__": {"by": "me"}}), "holds no tensors"),
        (written({"w": entry([10**9, 10], 0, 4)}), "not as long as its shape says"),
        (written({"w": entry([-1], 0, 4)}), "no such thing"),
        (written({"w": entry([True], 0, 4)}), "no such thing"),
        (written({"w": entry([1] * 9, 0, 4)}, b"1234"), "no such thing"),
        (written({"w": entry([1], 0, 4)}), "need 4 bytes, and it holds 0"),
        (written({"w": entry([1], 0, 4)}, b"12345"), "need 4 bytes, and it holds 5"),
        (written({"w": entry([1], 4, 8)}, b"12345678"), "does not begin where"),
        (written({"w": entry([1], 0, 8, "C64")}, b"12345678"), "type 'C64', which is not taken"),
        (written({"w": entry([1], 0, 1, "F8_E5M2")}, b"1"), "which is not taken"),
        (written({"w": entry([1], 0, 4, [])}, b"1234"), "which is not taken"),
        (written({"w": 5}), "does not describe 'w'"),
        (written(b'{"w":{},"w":{}}'), "holds 'w' twice"),
        (
            written({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, b"1234"),
            "'b' does not begin where",
        ),
    ],
)
def test_what_is_no_weights_is_said_in_a_sentence(content, said):
    with pytest.raises(UploadError) as raised:
        check_safetensors(content)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_header_may_not_promise_more_than_is_taken():
    many = 300_000_000
    header = {"w": entry([many], 0, 4 * many)}
    with pytest.raises(UploadError, match=r"says it holds 300,000,000 numbers"):
        check_safetensors(written(header))


def test_too_many_tensors_and_too_large_a_file_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "TENSORS", 3)
    with pytest.raises(UploadError, match="4 tensors, and at most 3"):
        check_safetensors(saved())
    monkeypatch.setattr(limits, "FILE_BYTES", 100)
    with pytest.raises(UploadError, match="at most 0 MB"):
        check_safetensors(saved())


def test_weights_of_another_network_are_told_from_its_own():
    other = models.get("mlp").build(PICTURE, 10, {"widths": [7]}, 0).state_dict()
    with pytest.raises(UploadError, match=r"but this architecture needs \(6, 64\).*more tensors"):
        load_into(network(), safetensors.torch.save(other))


def test_a_missing_and_a_strange_tensor_are_named():
    state = network().state_dict()
    first = next(iter(state))
    lacking = {name: tensor for name, tensor in state.items() if name != first}
    with pytest.raises(UploadError, match=f"lacks '{first}'"):
        load_into(network(), safetensors.torch.save(lacking))
    with pytest.raises(UploadError, match="holds 'strange' of shape"):
        load_into(network(), saved(strange=torch.zeros(3)))


def test_whole_numbers_are_no_weights():
    state = {name: tensor.to(torch.int32) for name, tensor in network().state_dict().items()}
    with pytest.raises(UploadError, match="as I32, but this architecture needs decimals"):
        load_into(network(), safetensors.torch.save(state))


def test_weights_of_a_diverged_training_leave_the_network_as_it_was():
    mine = network()
    before = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
    name = next(iter(before))
    broken = before[name].clone()
    broken.flatten()[0] = torch.nan
    with pytest.raises(UploadError, match=r"1 of 384 numbers of .* are not finite"):
        load_into(mine, safetensors.torch.save({**before, name: broken}))
    for key, tensor in mine.state_dict().items():
        assert torch.equal(tensor, before[key])
