from types import SimpleNamespace

import pytest

from kdcore.errors import RecipeError, UnknownNameError, did_you_mean
from kdcore.registry import Registry, first_line, import_siblings


@pytest.fixture
def fruits():
    registry = Registry("fruit")
    for name in ("pear", "apple"):
        registry.add(SimpleNamespace(name=name))
    return registry


def test_a_definition_is_found_by_its_name(fruits):
    assert fruits.get("pear").name == "pear"


def test_adding_gives_the_definition_back(fruits):
    plum = SimpleNamespace(name="plum")
    assert fruits.add(plum) is plum


def test_names_are_sorted(fruits):
    assert fruits.names() == ("apple", "pear")


def test_the_same_name_twice_is_a_programming_error(fruits):
    with pytest.raises(ValueError, match="two fruit definitions are named 'pear'"):
        fruits.add(SimpleNamespace(name="pear"))


def test_an_unknown_name_is_answered_with_a_close_match_and_the_list(fruits):
    with pytest.raises(UnknownNameError) as caught:
        fruits.get("peer")
    assert str(caught.value) == "no fruit 'peer'; did you mean 'pear'? Known: apple, pear"


def test_an_unknown_name_like_no_other_is_answered_with_the_list(fruits):
    with pytest.raises(UnknownNameError) as caught:
        fruits.get("xyzzy")
    assert str(caught.value) == "no fruit 'xyzzy'. Known: apple, pear"


def test_an_unknown_name_is_a_fault_of_the_recipe():
    assert issubclass(UnknownNameError, RecipeError)


def test_nothing_close_is_suggested_where_nothing_is_close():
    assert did_you_mean("xyzzy", ["kd", "hard"]) == "."


def test_importing_siblings_runs_every_file_of_a_folder(tmp_path, monkeypatch):
    folder = tmp_path / "kdcore_test_orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text("planted = []\n")
    for name in ("pear", "apple"):
        (folder / f"{name}.py").write_text(
            f"from kdcore_test_orchard import planted\nplanted.append({name!r})\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    import_siblings("kdcore_test_orchard", [str(folder)])
    from kdcore_test_orchard import planted

    assert sorted(planted) == ["apple", "pear"]


def test_the_first_line_ends_where_the_first_paragraph_does():
    def documented():
        """One sentence.

        And much more.
        """

    assert first_line(documented) == "One sentence."


def test_a_definition_without_words_has_no_first_line():
    assert first_line(lambda: None) == ""
