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
    assert {record.name for record in catalogue.tasks} == set(tasks.built_in())
    assert {record.name for record in catalogue.architectures} == set(models.names())
    assert {record.name for record in catalogue.methods} == set(methods.names())


@pytest.mark.parametrize("name", methods.names())
def test_a_methods_record_carries_its_words_formula_and_knobs(catalogue, name):
    record, definition = catalogue.method(name), methods.get(name)
    for field in ("name", "title", "paper", "formula", "about", "takes_temperature", "knobs"):
        assert getattr(record, field) == getattr(definition, field)


@pytest.mark.parametrize("name", models.names())
def test_an_architectures_record_carries_its_words_needs_and_knobs(catalogue, name):
    record, definition = catalogue.architecture(name), models.get(name)
    for field in ("name", "title", "kinds", "smallest", "about", "knobs"):
        assert getattr(record, field) == getattr(definition, field)


@pytest.mark.parametrize("name", tasks.names())
def test_a_tasks_record_carries_its_words_sizes_and_files(catalogue, name):
    record, definition = catalogue.task(name), tasks.get(name)
    for field in ("name", "title", "kind", "about"):
        assert getattr(record, field) == getattr(definition, field)
    for field in ("class_names", "input_shape", "train", "validation", "test"):
        assert getattr(record, field) == getattr(definition.facts, field)
    assert record.files == tuple(file.path for file in definition.files)
    assert record.megabytes == sum(file.megabytes for file in definition.files)


def test_the_digits_are_1097_and_200_and_500_pictures_of_8_by_8(catalogue):
    digits = catalogue.task("digits")
    assert (digits.train, digits.validation, digits.test) == (1097, 200, 500)
    assert digits.input_shape == (1, 8, 8)
    assert digits.class_names == tuple("0123456789")
