"""What there is to choose from, as records that a page reads without torch."""

import pytest

from kdcore import methods, models, tasks
from kdcore.catalogue import Catalogue, read_catalogue
from kdcore.knobs import Range, Widths


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue()


def test_a_catalogue_reads_back_from_its_json(catalogue):
    text = catalogue.to_json()
    assert Catalogue.from_json(text).to_json() == text


def test_knobs_keep_their_kind_on_the_way_through_json(catalogue):
    returned = Catalogue.from_json(catalogue.to_json())
    for name in ("vit", "resnet_cifar", "wrn", "resnet18"):
        assert returned.architecture(name).knobs == models.get(name).knobs
    kinds = [type(knob.bounds) for knob in returned.architecture("cnn").knobs]
    assert kinds == [Widths, Widths, Range]


def test_every_definition_is_in_it(catalogue):
    assert {record.name for record in catalogue.tasks} == set(tasks.names())
    assert {record.name for record in catalogue.architectures} == set(models.names())
    assert {record.name for record in catalogue.methods} == set(methods.names())


def test_a_record_carries_the_words_and_knobs_of_its_definition(catalogue):
    record, definition = catalogue.method("kd"), methods.get("kd")
    assert record.title == definition.title
    assert record.formula == definition.formula
    assert record.takes_temperature
    assert catalogue.architecture("mlp").knobs == models.get("mlp").knobs
    assert catalogue.architecture("lenet5").smallest == models.get("lenet5").smallest == 8


def test_a_tasks_record_carries_its_sizes(catalogue):
    digits = catalogue.task("digits")
    assert (digits.train, digits.validation, digits.test) == (1097, 200, 500)
    assert digits.input_shape == (1, 8, 8)
