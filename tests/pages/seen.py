"""What tests of pages read off them."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def said(app: AppTest) -> str:
    """All that stands there as text, in Markdown."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.success)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def as_read(app: AppTest) -> str:
    """The same without what keeps Markdown from what was typed."""
    return said(app).replace("\\", "")


def charts(app: AppTest) -> list[str]:
    """The figures that stand there, as JSON."""
    return [each.proto.spec for each in app.get("plotly_chart")]
