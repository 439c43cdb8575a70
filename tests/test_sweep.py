"""A sweep is a recipe and its axes; each combination is a recipe of its own."""

import json

import pytest

from kdcore.errors import RecipeError
from kdcore.recipe import Recipe
from kdcore.sweep import SPECIAL, Axis, Sweep, changed, control_of

MLP = {"architecture": "mlp", "options": {"widths": [16, 8]}}


def sweep(*axes, **recipe) -> Sweep:
    return Sweep(
        recipe=Recipe(student=MLP, **recipe),
        axes=[{"field": field, "values": values} for field, values in axes],
    )


def test_members_are_all_combinations_and_the_last_axis_moves_fastest():
    found = sweep(("temperature", [1, 4]), ("training.steps", [10, 20, 30]))
    assert len(found) == 6
    assert list(found.settings())[:2] == [
        {"temperature": 1, "training.steps": 10},
        {"temperature": 1, "training.steps": 20},
    ]
    assert [(m.temperature, m.training.steps) for m in found.members()] == [
        (heat, steps) for heat in (1.0, 4.0) for steps in (10, 20, 30)
    ]


def test_a_member_is_the_recipe_but_for_its_setting():
    base = Recipe(student=MLP, seeds=(3, 4, 5))
    (member,) = sweep(("transfer.labelled", [100]), seeds=(3, 4, 5)).members()
    assert member == Recipe(
        **{**base.model_dump(), "transfer": {**base.transfer.model_dump(), "labelled": 100}}
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("temperature", 2.5, {"temperature": 2.5}),
        ("transfer.label_noise", 0.4, {"transfer": {"label_noise": 0.4}}),
        ("student.options.dropout", 0.1, {"student": {"options": {"dropout": 0.1}}}),
        ("student.options.widths.1", 3, {"student": {"options": {"widths": [16, 3]}}}),
        ("soft_share", 0.3, {"soft_weight": 0.3, "hard_weight": 0.7}),
        ("student.width", 0.5, {"student": {"options": {"widths": [8, 4]}}}),
        ("student.width", 0.01, {"student": {"options": {"widths": [1, 1]}}}),
        ("student.architecture", "cnn", {"student": {"architecture": "cnn", "options": {}}}),
        ("method.name", "dkd", {"method": {"name": "dkd"}, "soft_weight": None}),
    ],
)
def test_a_field_is_set_where_it_stands(field, value, expected):
    def holds(found, wanted):
        if isinstance(wanted, dict):
            return all(holds(found[name], part) for name, part in wanted.items())
        return found == wanted

    found = changed(Recipe(student=MLP, soft_weight=0.9), {field: value}).model_dump(mode="json")
    assert holds(found, expected)


def test_the_students_own_architecture_keeps_its_options():
    base = Recipe(student=MLP)
    assert changed(base, {"student.architecture": "mlp"}) == base


def test_json_gives_the_same_sweep_back():
    one = sweep(("temperature", [1, 4]), ("method.name", ["kd", "dkd"]))
    assert Sweep.from_json(one.to_json()) == one
    assert Sweep.from_json(one.to_json()).id == one.id


def test_the_title_is_no_part_of_the_identity_and_the_values_are():
    one = sweep(("temperature", [1, 4]))
    assert one.model_copy(update={"title": "named"}).id == one.id
    assert sweep(("temperature", [1, 5])).id != one.id


# what the control depends on


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": 9.0},
        {"soft_share": 0.2},
        {"method.name": "dkd"},
        {"transfer.unlabelled": 50},
        {"transfer.source": "noise"},
        {"teacher.options.widths": [4]},
        {"teacher_training.steps": 3},
    ],
)
def test_what_the_control_never_sees_leaves_it_the_same(setting):
    base = Recipe(student=MLP, transfer={"labelled": 100})
    assert control_of(changed(base, setting)) == control_of(base)


@pytest.mark.parametrize(
    "setting",
    [
        {"training.steps": 9},
        {"transfer.labelled": 50},
        {"transfer.label_noise": 0.1},
        {"transfer.left_out": [3]},
        {"student.width": 2},
        {"task": "mnist"},
        {"seeds": [7]},
    ],
)
def test_what_the_control_sees_makes_it_another(setting):
    base = Recipe(student=MLP, transfer={"labelled": 100})
    assert control_of(changed(base, setting)) != control_of(base)


# what cannot be meant


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ([("temperature", [])], "axes.0.values is []; give at least one"),
        ([("temperature", [4, 4])], "'temperature' has the value 4 twice"),
        ([("temperature", [1]), ("temperature", [2])], "'temperature' is on two axes"),
        ([], "axes is []; give at least one"),
        ([("seeds", [[n] for n in range(101)]), ("training.steps", list(range(1, 101)))], "10,100"),
    ],
)
def test_axes_that_cannot_be_meant_are_refused_in_a_sentence(axes, said):
    with pytest.raises(RecipeError) as caught:
        sweep(*axes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ten_million_members_are_refused_before_any_is_made():
    many = [("temperature", list(range(1, 4001))), ("training.steps", list(range(1, 2501)))]
    with pytest.raises(RecipeError, match="10,000,000 combinations"):
        sweep(*many)


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        (("trainig.steps", [1]), "a recipe has no field 'trainig'; did you mean 'training'?"),
        (("extra.0.weight", [1.0]), "there is no '0'"),
        (("temperature.high", [1.0]), "a recipe has no field 'temperature.high'"),
        (("temperature", ["warm"]), "temperature is 'warm'"),
        (("temperature", [-1.0]), "temperature is -1.0"),
        (("soft_share", [1.5]), "soft_share is 1.5; it must be a number between 0 and 1"),
        (("student.width", [0]), "student.width is 0; it must be a factor above 0"),
        (("student.options.widths.7", [3]), "there is no '7'"),
    ],
)
def test_a_field_or_value_that_there_is_not_is_refused_in_a_sentence(axis, said):
    with pytest.raises(RecipeError) as caught:
        sweep(axis).members()
    assert said in str(caught.value)


def test_a_student_without_widths_has_no_such_axis():
    with pytest.raises(RecipeError, match="they name none"):
        changed(Recipe(student={"architecture": "resnet_cifar"}), {"student.width": 2})


def test_an_axis_that_changes_nothing_is_refused():
    with pytest.raises(RecipeError, match="changes nothing"):
        sweep(("student.width", [0.001, 0.002])).members()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"axes": 3}', '{"axis": []}'])
def test_what_is_no_sweep_is_said_in_a_sentence(text):
    with pytest.raises(RecipeError) as caught:
        Sweep.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_recipe_in_place_of_a_sweep_is_told_what_it_lacks():
    with pytest.raises(RecipeError) as said:
        Sweep.from_json(Recipe().to_json())
    assert str(said.value) == (
        "a sweep needs 'axes', which is missing; give it, as in {\"axes\": [...]}"
    )


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the sweep .*none\.json"):
        Sweep.load(tmp_path / "none.json")
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"axes": [{"field": "temperature", "values": [1, 2]}]}))
    assert len(Sweep.load(path)) == 2


def test_every_special_field_says_what_it_does():
    assert all(put.__doc__ for put in SPECIAL.values())
    assert Axis(field="temperature", values=[1]).values == (1,)


@pytest.mark.parametrize("axes", [["soft_share", "method.name"], ["method.name", "soft_share"]])
def test_a_method_brings_its_weights_before_an_axis_sets_them(axes):
    values = {"soft_share": [0.1, 0.9], "method.name": ["kd", "dist"]}
    found = sweep(*((field, values[field]) for field in axes)).members()
    assert {(recipe.method.name, recipe.soft_weight) for recipe in found} == {
        (name, share) for name in ("kd", "dist") for share in (0.1, 0.9)
    }


def test_fields_that_set_the_same_are_refused():
    with pytest.raises(RecipeError, match="'soft_share' sets 'soft_weight' as well"):
        sweep(("soft_share", [0.1, 0.9]), ("soft_weight", [1.0, 2.0]))


def test_widths_that_are_no_numbers_are_refused_in_a_sentence():
    odd = Recipe(student={"options": {"widths": ["a"]}})
    with pytest.raises(RecipeError, match="hold 'a'; give whole numbers"):
        changed(odd, {"student.width": 2})
