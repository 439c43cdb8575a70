"""An own teacher in a network's place: the same pictures, whatever it takes, and logits out."""

import numpy as np
import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.compress.export import to_onnx
from kdcore.errors import UploadError
from kdcore.tasks import Data, Split
from kdcore.uploads import SCALES, look, network
from kdcore.uploads.network import OnnxTeacher, Scaled, fitted, own_network, rescaled
from tests.uploads.onnx_models import BYTE, HALF, linear, weights
from tests.uploads.test_weights import saved


def pictures(count=7, shape=(1, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)


def task_data(shape=(1, 8, 8), classes=10):
    split = Split(pictures(50, shape), torch.arange(50) % classes)
    return Data(tuple(map(str, range(classes))), split, split, split)


@pytest.fixture
def opened():
    """ONNX teachers, ended after the test."""
    teachers = []

    def open_one(proto, data=None, scale="0 to 255"):
        content = proto if isinstance(proto, bytes) else proto.SerializeToString()
        own = look(content, "Net", scale=scale)
        teachers.append(OnnxTeacher(own, content, data or task_data()))
        return teachers[-1]

    yield open_one
    for each in teachers:
        each.close()


def asked(teacher, shown, data=None):
    with torch.inference_mode():
        return teacher((data or task_data()).normalise(shown))


def expected(shown, table=None):
    return shown.flatten(1).float() @ torch.from_numpy(weights(64) if table is None else table)


def test_an_exported_network_answers_as_itself(opened):
    own = models.get("cnn").build((1, 8, 8), 10, {}, seed=3).eval()
    teacher = opened(to_onnx(own, (1, 8, 8)), scale="standardised")
    shown = pictures()
    with torch.inference_mode():
        assert torch.allclose(asked(teacher, shown), own(task_data().normalise(shown)), atol=1e-5)


def test_normalised_pictures_become_pixels_again(opened):
    shown = pictures()
    assert torch.allclose(asked(opened(linear()), shown), expected(shown), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("scale", "black", "white"), [("0 to 1", 0, 1), ("0 to 255", 0, 255), ("-1 to 1", -1, 1)]
)
def test_pixels_go_in_on_the_scale_that_is_chosen(scale, black, white):
    ends = torch.tensor([0.0, 255.0]).reshape(2, 1, 1, 1)
    assert torch.allclose(rescaled(ends, scale).flatten(), torch.tensor([black, white]).float())


def test_imagenets_scale_is_torchvisions():
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    shown = pictures(shape=(3, 4, 4)).float()
    right = (shown / 255 - mean[:, None, None]) / deviation[:, None, None]
    assert torch.allclose(rescaled(shown, "ImageNet"), right, atol=1e-5)


@pytest.mark.parametrize("scale", [each for each in SCALES if each != "standardised"])
def test_grey_pictures_keep_one_channel_on_any_scale(scale):
    assert rescaled(pictures().float(), scale).shape == (7, 1, 8, 8)


def test_bytes_go_in_as_bytes_whatever_scale_is_chosen(opened):
    shown = pictures()
    for scale in ("standardised", "0 to 1"):
        rows = asked(opened(linear(kind=BYTE), scale=scale), shown)
        assert torch.allclose(rows, expected(shown), rtol=1e-5, atol=1e-3)


def test_half_precision_goes_in_as_such(opened):
    shown = pictures()
    rows = asked(opened(linear(kind=HALF), scale="0 to 1"), shown)
    assert torch.allclose(rows, expected(shown) / 255, atol=2e-2)


@pytest.mark.parametrize(
    "shape", [("N", 8, 8, 1), ("N", 8, 8), ("N", 64)], ids=["NHWC", "NHW", "flat"]
)
def test_the_same_grey_picture_goes_in_whatever_the_layout(opened, shape):
    shown = pictures()
    assert torch.allclose(
        asked(opened(linear(shape)), shown), expected(shown), rtol=1e-4, atol=1e-2
    )


def test_colours_come_last_where_the_model_wants_them_there(opened):
    data, shown = task_data((3, 4, 4)), pictures(shape=(3, 4, 4))
    rows = asked(opened(linear(("N", 4, 4, 3)), data), shown, data)
    last = shown.permute(0, 2, 3, 1)
    assert torch.allclose(rows, expected(last, weights(48)), rtol=1e-4, atol=1e-2)


def test_pictures_are_made_grey_and_resized_as_the_model_wants():
    shown = pictures(shape=(3, 8, 8)).float()
    assert torch.equal(fitted(shown, (1, 8, 8))[:, 0], shown.mean(1))
    assert fitted(shown[:, :1], (3, 16, 16)).shape == (7, 3, 16, 16)
    assert torch.allclose(fitted(torch.full((1, 1, 8, 8), 5.0), (3, 12, 12)), torch.tensor(5.0))


@pytest.mark.parametrize("batch", [1, 4, 7, 10])
def test_a_fixed_batch_is_filled_up_and_changes_no_answer(opened, batch):
    shown = pictures(7)
    rows = asked(opened(linear((batch, 1, 8, 8), answers=(batch, 10))), shown)
    assert torch.allclose(rows, expected(shown), rtol=1e-4, atol=1e-2)


def test_many_pictures_are_asked_about_in_parts(opened, monkeypatch):
    monkeypatch.setattr(network, "PART", 3)
    shown = pictures(7)
    assert torch.allclose(asked(opened(linear()), shown), expected(shown), rtol=1e-4, atol=1e-2)


def test_probabilities_become_logits_that_give_them_back(opened):
    shown = pictures()
    rows = asked(opened(linear(softmax=True), scale="0 to 1"), shown)
    right = (expected(shown) / 255).softmax(1)
    assert torch.allclose(rows.softmax(1), right, atol=1e-5)
    assert rows.isfinite().all()
    assert not torch.allclose(rows.sum(1), torch.ones(len(rows)))


def test_another_number_of_classes_is_said(opened):
    teacher = opened(linear(answers=("N", "classes")), task_data(classes=4))
    with pytest.raises(UploadError, match="answers 10 numbers a picture, but the task has 4"):
        asked(teacher, pictures())


def test_answers_that_are_not_finite_are_said(opened):
    table = np.full((64, 10), np.inf, np.float32)
    with pytest.raises(UploadError, match="not finite"):
        asked(opened(linear(table=table)), pictures())


def test_its_process_starts_with_the_first_question_and_ends_when_told(opened):
    teacher = opened(linear())
    assert teacher._apart is None
    asked(teacher, pictures())
    process = teacher._apart._process
    teacher.close()
    assert process.poll() is not None
    asked(teacher, pictures())  # and starts again, if there is more to ask


def test_weights_answer_as_the_network_they_came_from():
    built = models.get("mlp").build((1, 8, 8), 10, {"widths": [6]}, seed=0)
    source = models.get("mlp").build((1, 8, 8), 10, {"widths": [6]}, seed=1).eval()
    own = look(saved(seed=1), "W", architecture="mlp", options={"widths": [6]})
    teacher = own_network(own, saved(seed=1), task_data(), built).eval()
    shown = task_data().normalise(pictures())
    assert torch.equal(teacher(shown), source(shown))


def test_weights_of_another_scale_are_given_their_own():
    class Mean(nn.Module):
        def forward(self, inputs):
            return inputs.mean((2, 3))

    shown = pictures()
    scaled = Scaled(Mean(), task_data(), "0 to 1")
    right = shown.float().mean((2, 3)) / 255
    assert torch.allclose(scaled(task_data().normalise(shown)), right, atol=1e-5)
