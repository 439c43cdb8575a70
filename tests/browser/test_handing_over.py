"""The report and the bundle as a visitor gets them, opened where there is no network."""

import zipfile

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(app):
    return app.ran("to hand over", (16, 4), 40, seeds=(5, 6, 7))


def test_the_report_opens_with_the_network_off_and_draws_all_its_charts(
    visit, chromium, run, tmp_path
):
    tab = visit(f"/?run={run.id}")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Report").click()
    path = tmp_path / download.value.suggested_filename
    assert path.name == f"report-{run.id}.html"
    download.value.save_as(path)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Bundle").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
    context = chromium.new_context(offline=True, viewport={"width": 390, "height": 844})
    page, wrong, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.get_by_role("heading", name="to hand over").wait_for()
    plots = page.locator(".plot")
    assert plots.count() >= 10
    assert page.locator(".plot .main-svg").first.is_visible()
    drawn = page.evaluate(
        "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))"
    )
    assert drawn
    assert page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing sticks out
    head = page.get_by_role("columnheader", name="Student, distilled").first
    accuracy = page.locator(".models tbody tr").first.locator("td").last
    for box in (head.bounding_box(), accuracy.bounding_box()):  # nor hides to the right
        assert box["x"] + box["width"] <= 390
    assert "%" in accuracy.inner_text()
    assert (
        page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.wide'))") == 0
    )
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wrong == []
    links = page.get_by_text("The numbers as CSV").first
    assert links.is_visible()
    page.emulate_media(media="print")
    assert not links.is_visible()  # nobody clicks on paper
    context.close()
