"""Settings as people say them: none is forgotten, and what means the same is spelled the same."""

from typing import Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from kdcore.catalogue import read_catalogue
from kdcore.recipe import Recipe
from kdcore.spoken import kilobytes, settings, size, spans, told


@pytest.fixture(scope="module")
def catalogue():
    return read_catalogue()


OTHER = {
    "task": "moons",
    "transfer.labelled": 50,
    "transfer.unlabelled": 10,
    "transfer.left_out": [3],
    "transfer.source": "noise",
    "teacher.architecture": "cnn",
    "teacher.options": {"widths": [32]},
    "teacher.weights": "own-mine-12345678",
    "student.architecture": "cnn",
    "student.options": {"widths": [32]},
    "student.weights": "own-mine-12345678",
    "method.name": "dist",
    "method.options": {"normalise": True},
    "method.layers": [["a", "b"]],
    "extra": [{"name": "dkd"}],
    "scheme.assistants": [{}],
    "scheme.co_teachers": [{}],
    "scheme.peers": 2,
    "soft_weight": 0.3,
    "hard_weight": 0.3,
    "teachers": "per seed",
    "teacher_labelled": 50,
    "seeds": [0, 1],
}
"""For fields of which the type says too little, a value other than the default."""

TOGETHER = {"scheme.co_weights", "title", "about"}
"""What says something beside another field only, or nothing."""


def leaves(model: type[BaseModel], before: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += leaves(inner, f"{before}{name}.")
        else:
            found.append(before + name)
    return found


def changed(path: str) -> Recipe:
    """The default recipe, one field of it at another value."""
    values = Recipe().model_dump(mode="json")
    *inner, last = path.split(".")
    part, model = values, Recipe
    for name in inner:
        part, model = part[name], model.model_fields[name].annotation
    if path.endswith("_schedule.to"):
        part["how"] = "linear"
    if path in OTHER:
        part[last] = OTHER[path]
    elif get_origin(kinds := model.model_fields[last].annotation) is Literal:
        part[last] = next(each for each in get_args(kinds) if each != part[last])
    else:
        part[last] = not part[last] if isinstance(part[last], bool) else part[last] + 0.5
        if kinds is not bool and not isinstance(model().model_dump()[last], float):
            part[last] = int(part[last] + 0.5)
    return Recipe(**values)


@pytest.mark.parametrize("path", sorted(set(leaves(Recipe)) - TOGETHER))
def test_no_field_of_a_recipe_is_left_unsaid(path, catalogue):
    assert settings(changed(path), catalogue) != settings(Recipe(), catalogue)


def test_the_say_of_co_teachers_is_told_and_equal_by_default(catalogue):
    alone = Recipe(scheme={"co_teachers": [{}, {}]})
    equal = Recipe(scheme={"co_teachers": [{}, {}], "co_weights": [1, 1]})
    less = Recipe(scheme={"co_teachers": [{}, {}], "co_weights": [1, 0.5]})
    assert settings(alone, catalogue) == settings(equal, catalogue)
    assert settings(less, catalogue)["Co-teachers' say"] == "1, 0.5"


def test_the_title_is_for_people_and_no_setting(catalogue):
    assert settings(Recipe(title="mine", about="x"), catalogue) == settings(Recipe(), catalogue)


def test_what_is_left_to_the_method_or_the_network_is_said_as_if_it_were_given(catalogue):
    kd = catalogue.method("kd")
    left = settings(Recipe(), catalogue)
    given = Recipe(soft_weight=kd.soft_weight, hard_weight=kd.hard_weight)
    assert settings(given, catalogue) == left
    assert left["Weight on the teacher"] == "0.9"
    depth = next(k for k in catalogue.architecture("mlp").knobs if k.name != "widths")
    student = {"options": {"widths": [16], depth.name: depth.default}}
    assert settings(Recipe(student=student), catalogue) == left


def test_names_and_numbers_are_spoken(catalogue):
    recipe = Recipe(
        transfer={"label_noise": 0.4, "labelled": 1000, "left_out": [3]},
        extra=[{"name": "dkd", "weight": 2}],
        temperature_schedule={"how": "linear", "to": 1},
        seeds=(0, 1, 2, 7),
    )
    said = settings(recipe, catalogue)
    assert said["Data"] == catalogue.task("digits").title
    assert said["Wrong labels"] == "40\u00a0%"
    assert said["Labelled for the student"] == "1,000"
    assert said["Classes never seen"] == "3"
    assert said["Methods beside it"] == catalogue.method("dkd").title
    assert said[f"Weight of {catalogue.method('dkd').title}"] == "2"
    assert said["T over the steps"] == "linear to 1"
    assert said["Teacher's learning rate"] == "0.001"
    assert said["Student's widths"] == "16"
    assert said["Seeds"] == "0–2, 7"


def test_what_is_not_here_any_more_goes_by_its_bare_name(catalogue):
    recipe = Recipe(
        task="own-gone-12345678",
        teacher={"architecture": "onnx", "weights": "own-net-1"},
        method={"name": "forgotten"},
    )
    said = settings(recipe, catalogue)
    assert said["Data"] == "own-gone-12345678"
    assert said["Teacher"] == "own-net-1 (brought along)"
    assert said["Method"] == "forgotten"
    assert said["Weight on the teacher"] == "–"


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((0,), "0"), ((0, 1), "0, 1"), ((4, 3, 2), "2–4"), ((0, 1, 2, 7, 9, 10), "0–2, 7, 9, 10")],
)
def test_numbers_in_a_row_are_drawn_together(numbers, words):
    assert spans(numbers) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "yes"), (4.0, "4"), (20_000, "20,000"), ([256, 64], "256, 64"), ((), "none")],
)
def test_values_are_told_as_one_reads_them(value, words):
    assert told(value) == words


def test_bytes_are_told_in_units_of_a_thousand_with_one_digit_after_the_point():
    assert [size(count) for count in (999, 1000, 5_623, 214_300, 1_050_000)] == [
        *("999\u00a0B", "1.0\u00a0kB", "5.6\u00a0kB", "214.3\u00a0kB", "1.1\u00a0MB"),
    ]
    assert kilobytes(1_234_567) == "1,234.6"
