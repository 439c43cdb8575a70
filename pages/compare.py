"""Compare: two to four runs side by side, and only what differs between them."""

import pandas as pd
import streamlit as st

from kdcore import charts
from kdcore.errors import RunError
from kdcore.result import ARMS
from kdcore.runs.store import Run
from kdcore.statistics import signed
from pages.parts.cards import accuracy_text
from pages.parts.services import run_label, store

FEWEST, MOST = 2, 4


def flat(values: dict[str, object], prefix: str = "") -> dict[str, str]:
    """Nested recipe values as dotted names and texts."""
    rows: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            rows |= flat(value, f"{prefix}{name}.")
        else:
            listed = isinstance(value, list)
            rows[prefix + name] = ", ".join(map(str, value)) if listed else str(value)
    return rows


def differing(runs: list[Run]) -> pd.DataFrame:
    """Recipe fields as rows, runs as columns; only the fields that are not the same in all."""
    columns = {
        label: flat(run.recipe.model_dump(mode="json", exclude={"title", "about"}))
        for label, run in labelled(runs)
    }
    frame = pd.DataFrame(columns).fillna("")
    return frame[frame.nunique(axis=1) > 1]


def results(runs: list[Run]) -> pd.DataFrame:
    """Verdict, difference and accuracies as rows, runs as columns."""
    columns = {}
    for label, run in labelled(runs):
        result = run.result
        assert result is not None
        columns[label] = {
            "Verdict": result.verdict,
            "Difference, points": signed(result.difference.mean),
            **{charts.LOOKS[arm].label: accuracy_text(result.arms[arm].accuracy) for arm in ARMS},
            "Student's parameters": f"{result.arms['distilled'].parameters:,}",
            "Seconds": f"{result.seconds:.1f}",
        }
    return pd.DataFrame(columns)


def labelled(runs: list[Run]) -> list[tuple[str, Run]]:
    """Each run under a letter, short enough for a phone and told apart from its namesakes."""
    return list(zip("ABCD", runs, strict=False))


def pick() -> list[str]:
    """Let the visitor choose finished runs; starts from the ones in the address."""
    done = {run.id: run_label(run) for run in store().find(states=["done"])}
    wanted = [each for each in st.query_params.get("runs", "").split(",") if each in done]
    chosen = st.multiselect(
        "Runs to lay side by side",
        list(done),
        default=wanted[:MOST],
        format_func=lambda run_id: done[run_id],
        max_selections=MOST,
        placeholder="choose two to four finished runs",
    )
    if chosen != wanted[:MOST]:
        st.query_params["runs"] = ",".join(chosen)
    return chosen


def page() -> None:
    """The pickers, what differs, and what came of it."""
    chosen = pick()
    if len(chosen) < FEWEST:
        st.info("Choose two to four finished runs above, or tick them on the page Runs.")
        return
    runs = [run for run in map(store().get, chosen) if run.result is not None]
    if len(runs) < FEWEST:
        raise RunError("these runs have no result to compare; choose finished ones")
    for letter, run in labelled(runs):
        st.page_link(
            "pages/distill.py", label=f"**{letter}** {run_label(run)}", query_params={"run": run.id}
        )
    st.subheader("What was set differently?", anchor=False)
    changes = differing(runs)
    if changes.empty:
        st.caption("Nothing: these runs have the same recipe, and so the same numbers.")
    else:
        st.table(changes)
    st.subheader("What came of it?", anchor=False)
    st.table(results(runs))
    pairs = [(label, run.result) for label, run in labelled(runs) if run.result is not None]
    st.plotly_chart(
        charts.compared_differences(pairs),
        alt="The paired difference of each run with its 95 % interval.",
    )
    curves = [(label, charts.frame(store().events(run.id)[0])) for label, run in labelled(runs)]
    st.plotly_chart(
        charts.compared_curves(curves, max(run.recipe.training.steps for run in runs)),
        alt="Validation accuracy of all students over the steps.",
    )


st.title("Compare", anchor=False)
page()
