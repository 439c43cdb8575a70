"""Of a pipeline that varies: all settings side by side, and which one is looked at."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from kdcore.pipeline_settings import (
    setting_words,
    settings_chart,
    settings_rows,
    settings_shown,
)
from kdcore.runs.pipelines import PipelineRun
from kdcore.sweep_charts import Side
from kdcore.waterfall import sweep_table
from pages.parts.look import camera, table_download
from pages.parts.pipeline_form import ADD
from pages.parts.vary_form import sides_of


def choose_setting(run: PipelineRun) -> int:
    """The place of the setting that is looked at: the only one, or the one that is chosen, by its
    mark, its row in the table or its name.
    """
    if len(run.members) == 1:
        return 0
    sides = sides_of(run.pipeline)
    key = f"pipeline.member.{run.id}"
    if any(member.rows for member in run.members):
        _all_settings(run, sides, key)
    names = [setting_words(each, sides) for each in run.pipeline.settings()]
    return int(
        st.selectbox(
            "Setting shown below", range(len(names)), format_func=names.__getitem__, key=key
        )
    )


def _all_settings(run: PipelineRun, sides: list[Side], key: str) -> None:
    stage = _stage(run)
    settings = list(run.pipeline.settings())
    rows = settings_rows(settings, [member.rows for member in run.members], sides, stage)
    if len(rows):
        beside = [row for member in run.members for row in member.rows]
        chart = f"figure.settings.{run.id}"
        st.plotly_chart(
            settings_chart(rows, beside, st.session_state.get(key, 0)),
            key=chart,
            on_select=partial(_clicked, chart, key),
            selection_mode="points",
            config={**camera("settings"), "modeBarButtons": [["toImage"]]},
            alt="Test accuracy of every setting against its bytes on disk.",
        )
        st.caption(
            "Click a mark, or tick a row, to open that setting below; ringed is what is open. "
            "Dotted: no other setting is better in both; grey: another one is. The best of many, "
            "picked on the test split, looks better than it is."
        )
    _table(run, sides, stage, key)


def _stage(run: PipelineRun) -> int:
    """After which of its stages the settings are compared."""
    names = [f"{place}. {ADD[stage.kind]}" for place, stage in enumerate(run.pipeline.stages, 1)]
    if len(names) == 1:
        return 0
    return int(
        st.segmented_control(
            "Compared after stage",
            range(len(names)),
            default=len(names) - 1,
            required=True,
            format_func=names.__getitem__,
            key=f"pipeline.after.{run.id}",
        )
    )


def _clicked(chart: str, key: str) -> None:
    """Look at the setting whose mark was clicked."""
    for point in st.session_state[chart].selection.points:
        place: Any = point.get("customdata")
        if isinstance(place, list):
            place = place[0]
        if place is not None:
            st.session_state[key] = int(place)
            return


def _ticked(table: str, key: str) -> None:
    """Look at the setting whose row was ticked."""
    for place in st.session_state[table].selection.rows:
        st.session_state[key] = place


def _table(run: PipelineRun, sides: list[Side], stage: int, key: str) -> None:
    found = [member.error or member.rows for member in run.members]
    table = f"pipeline.settings.{run.id}"
    st.dataframe(
        settings_shown(list(run.pipeline.settings()), found, sides, stage),
        hide_index=True,
        key=table,
        on_select=partial(_ticked, table, key),
        selection_mode="single-row",
        alt="All settings: accuracy, difference to the uncompressed student, and size.",
    )
    table_download(partial(_every_row, run), f"{run.id}-all", "All settings as CSV")


def _every_row(run: PipelineRun) -> pd.DataFrame:
    found = [member.result or member.error or "not done" for member in run.members]
    return sweep_table(list(zip(run.pipeline.settings(), found, strict=True)))
