"""What several browser tests ask of a tab; all of it waits until the page is there."""

from __future__ import annotations

from playwright.sync_api import expect

PHONE = {"width": 390, "height": 844}


def charts(tab, count: int) -> None:
    """Wait until so many charts are drawn."""
    expect(tab.locator(".js-plotly-plot")).to_have_count(count)


def fits_a_phone(tab) -> None:
    """On a phone's screen nothing sticks out to the side."""
    tab.set_viewport_size(PHONE)
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth"
    tab.wait_for_timeout(500)  # charts are drawn anew for the width, and nothing says when
    tab.wait_for_function(f"{wide} <= {PHONE['width']}")
