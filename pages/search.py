"""Search: let an optimiser look for the best settings, judged on validation alone."""

import streamlit as st

from kdcore import charts
from kdcore.errors import RunError
from kdcore.search import Search
from pages.parts.bring_into_view import bring_into_view, launched
from pages.parts.search_form import fill, is_filled, name_for, search_form
from pages.parts.search_view import show_list, show_search
from pages.parts.services import plainly, runner


def launch(search: Search) -> None:
    """Submit the search, and make it the one this page shows."""
    submitted = runner().submit_search(search, name_for(search))
    st.query_params.from_dict({"search": submitted.id})
    launched(submitted.id)


@st.fragment
@plainly
def controls() -> None:
    """The form and its button."""
    place = st.container()  # above the form, so that the first thing to do is in sight
    search = search_form()
    pressed = place.button(
        "Search",
        type="primary",
        icon=":material/manage_search:",
        width="stretch",
        disabled=search is None,
        key="search.start",
        help="Runs that wait go first: between two settings, a search lets them in.",
    )
    if pressed and search is not None:
        with place:
            plainly(launch)(search)


def welcome() -> None:
    """What to do first, and what is already there."""
    st.subheader("Tick what may vary, and press Search", anchor=False)
    st.markdown(
        "One setting after another is proposed by what the earlier ones gave, trained with the "
        "teacher's help, and judged on **validation** samples. The test samples are not "
        "touched.\n\n"
        "When you have chosen a setting, its **test figure** is taken once, with five seeds and "
        "beside the same student without a teacher. It is usually a little lower: the best of "
        "many was lucky as well.\n\n"
        "Press **Search** as it stands, and temperature, weight and learning rate are looked for, "
        "until one of the limits below *Stop after* is reached. You see accuracy rise setting by "
        "setting, then which of them matter and which values do well; you may stop, go on, and "
        "close this tab."
    )
    st.plotly_chart(
        charts.awaited("How good is the best so far?", "accuracy on validation so far", "setting"),
        key="search.awaited",
        config={"displayModeBar": False, "staticPlot": True},
        alt="An empty chart, waiting for a search.",
    )
    show_list()


@plainly
def prepare() -> None:
    """Fill the form of a new visitor with the search that the address names."""
    search_id = st.query_params.get("search")
    if is_filled() or search_id is None:
        return
    try:
        fill(runner().searches.get(search_id).search)
    except RunError:
        return  # said where the search would be shown


@plainly
def outcome() -> None:
    """The search in the address, or a welcome."""
    search_id = st.query_params.get("search")
    if search_id is None:
        welcome()
        return
    bring_into_view(search_id)
    show_search(search_id)
    show_list()


prepare()
st.title("Which settings are best?", anchor=False)
left, right = st.columns([3, 9], gap="large")
with left:
    controls()
with right:
    outcome()
