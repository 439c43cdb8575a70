"""Latency of models on a device that was measured, beside that of the machine that judged them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from kdcore.chart_axes import by_factors
from kdcore.charts import LOOKS, framed
from kdcore.errors import UploadError
from kdcore.handover.measured import Measured
from kdcore.pipeline_tables import time_text
from kdcore.result import ArmName

HASHED = 32
"""Of a file's SHA-256 in hex, so much is its name on the shelf."""

LINE, LONGEST = 46, 40
"""Pixels for each model, and letters of its name that are drawn; all of it is in the hover text."""

COLUMNS = (
    *("model", "role", "batch", "threads", "here_ms", "device_ms", "p95_ms", "times"),
    *("per_second", "noisy"),
)


@dataclass(frozen=True)
class Timed:
    """A model whose latency is known here.

    name: to a reader; role: whose look it has; file: its ONNX file's name on the shelf; here:
    median milliseconds of a call with one thread, by batch.
    """

    name: str
    role: ArmName
    file: str
    here: Mapping[int, float]


def device_name(found: Measured) -> str:
    """What a device is called, with what tells it from its namesakes."""
    on = found.device
    cores = f"{on.cores} core{'s' * (on.cores != 1)}"
    return f"{on.name or 'unnamed device'} ({on.system}, {cores}, onnxruntime {on.onnxruntime})"


def elsewhere(models: Sequence[Timed], found: Measured) -> pd.DataFrame:
    """A row for each of these models, batch and number of threads that the device measured.

    Models are known by their files' hashes, whatever they are called there. here_ms: of one thread,
    where it was measured; times: how many times as long the device takes. Raises UploadError where
    none of the files is one of these: another model's latency says nothing about these.
    """
    names = _timed_there(found)
    rows = []
    for model in models:
        there = names.get(_hash(model))
        for cell in found.latency if there is not None else ():
            if cell.model != there:
                continue
            here = model.here.get(cell.batch) if cell.threads == 1 else None
            rows.append(
                (
                    *(model.name, model.role, cell.batch, cell.threads, here, cell.p50_ms),
                    *(cell.p95_ms, cell.p50_ms / here if here else None),
                    *(cell.per_second, cell.noisy),
                )
            )
    if not rows:
        told = ", ".join(each.name for each in found.models)
        raise UploadError(
            f"the measurement of {device_name(found)} is of other files ({told}) than these; "
            "measure the files that are handed out here"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def unmatched(models: Sequence[Timed], found: Measured) -> tuple[str, ...]:
    """What the device calls those of its files that are none of these models'."""
    known = {_hash(model) for model in models}
    return tuple(each.name for each in found.models if each.sha256[:HASHED] not in known)


def missing(models: Sequence[Timed], found: Measured) -> tuple[str, ...]:
    """The names of these models whose files the device did not time."""
    there = _timed_there(found)
    return tuple(model.name for model in models if _hash(model) not in there)


def _hash(model: Timed) -> str:
    return model.file.partition(".")[0]


def _timed_there(found: Measured) -> dict[str, str]:
    """What the device calls each file that it timed, by the beginning of the file's hash."""
    timed = {cell.model for cell in found.latency}
    return {each.sha256[:HASHED]: each.name for each in found.models if each.name in timed}


def in_words(rows: pd.DataFrame, here: str = "here") -> pd.DataFrame:
    """The table of `elsewhere` for a reader; here: where the models were judged."""
    return pd.DataFrame(
        {
            "Model": row["model"],
            "Samples in a call": row["batch"],
            "Threads": row["threads"],
            here[:1].upper() + here[1:]: "–"
            if pd.isna(row["here_ms"])
            else time_text(row["here_ms"]),
            "There": time_text(row["device_ms"]),
            "Times as long": "–" if pd.isna(row["times"]) else f"{row['times']:.2g}",
            "95 % of calls within": time_text(row["p95_ms"]),
            "Samples a second": f"{row['per_second']:,.0f}",
            "": "noisy" if row["noisy"] else "",
        }
        for row in rows.to_dict("records")
    )


def device_chart(rows: pd.DataFrame, batch: int, device: str, here: str = "here") -> go.Figure:
    """Median latency with one thread, here and on a device, a line for each model.

    rows: of `elsewhere`; device, here: what to call both, "a Raspberry Pi" and "here".
    Raises ValueError where that batch was not measured with one thread.
    """
    of = rows[(rows["batch"] == batch) & (rows["threads"] == 1)].reset_index(drop=True)
    if not len(of):
        raise ValueError(f"no latency with one thread was measured there for a batch of {batch}")
    figure, places = go.Figure(), list(range(len(of) - 1, -1, -1))
    both = of["here_ms"].notna()
    for place, row in zip(places, of.to_dict("records"), strict=True):
        if not pd.isna(row["here_ms"]):
            figure.add_scatter(
                **{"x": [1000 * row["here_ms"], 1000 * row["device_ms"]], "y": [place, place]},
                **{"mode": "lines", "hoverinfo": "skip", "showlegend": False},
                line={"color": "rgba(128,128,128,0.6)", "width": 2},
            )
    of_both = [place for place, known in zip(places, both, strict=True) if known]
    _add_marks(figure, of[both], of_both, here)
    _add_marks(figure, of, places, here, device)
    for name, symbol in ((here, "circle"), (device, "circle-open")):
        figure.add_scatter(
            **{"x": [None], "y": [None], "mode": "markers", "name": escape(name)},
            marker={"color": "#8A8A8A", "symbol": symbol, "size": 10, "line": {"width": 2}},
        )
    notes = [_note(place, row) for place, row in zip(places, of.to_dict("records"), strict=True)]
    many = "one sample" if batch == 1 else f"{batch} samples"
    every = 1000 * pd.concat([of["device_ms"], of.loc[both, "here_ms"]]).astype(float)
    figure.update_xaxes(title=f"µs for {many}, one thread, median", **by_factors(every, 0.15))
    figure.update_yaxes(visible=False, range=[-0.45, len(of) - 0.3])
    framed(figure, "How fast is it there?", LINE * len(of) + 150)
    return figure.update_layout(annotations=notes, margin_t=88, hovermode="closest")


def _add_marks(
    figure: go.Figure, of: pd.DataFrame, places: Sequence[int], here: str, device: str = ""
) -> None:
    """The marks of a machine: filled here, hollow on a device."""
    looks = [LOOKS[role] for role in of["role"]]
    column = "device_ms" if device else "here_ms"
    figure.add_scatter(
        **{"x": 1000 * of[column].astype(float), "y": list(places), "mode": "markers"},
        marker={
            "color": [look.colour for look in looks],
            "symbol": [look.marker + ("-open" if device else "") for look in looks],
            **{"size": 11, "line": {"width": 2.5 if device else 0}},
        },
        hovertext=[_sentence(row, here, device) for row in of.to_dict("records")],
        **{"hovertemplate": "%{hovertext}<extra></extra>", "showlegend": False},
    )


def _sentence(row: Mapping[Any, Any], here: str, device: str) -> str:
    name = escape(str(row["model"]))
    if not device:
        return f"{name}: {time_text(row['here_ms'])} {here}"
    said = f"{name}: {time_text(row['device_ms'])} on {escape(device)}"
    if not pd.isna(row["times"]):
        said += f"<br>{row['times']:.2g} times as long as {here}"
    said += f"<br>95 % of calls within {time_text(row['p95_ms'])}"
    return said + ("<br>noisy: something else used the device" if row["noisy"] else "")


def _note(place: int, row: Mapping[Any, Any]) -> dict[str, Any]:
    name = str(row["model"])
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return {
        **{"x": 0, "xref": "x domain", "xanchor": "left", "y": place, "yshift": 16},
        **{"text": escape(short[:1].upper() + short[1:]), "showarrow": False},
    }
