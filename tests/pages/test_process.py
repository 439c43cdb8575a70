"""What the page process is made of."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

VISIT = """
import sys
from streamlit.testing.v1 import AppTest
from kdcore.runs.runner import Runner

Runner._connect_early = lambda self: None
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
for page in ("pages/search.py", "pages/data.py", "pages/runs.py", "pages/compare.py"):
    app.switch_page(page).run()
    assert not app.exception, app.exception
print("torch" in sys.modules)
"""


def test_no_page_imports_torch(tmp_path, monkeypatch):
    monkeypatch.setenv("KDCORE_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", VISIT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]


def test_an_unwritable_home_is_one_sentence_on_every_page(tmp_path, monkeypatch, open_app):
    import streamlit as st

    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("KDCORE_HOME", str(blocked / "home"))
    st.cache_resource.clear()
    app = open_app()
    (error,) = app.error
    assert str(error.value).startswith(f"cannot write to {blocked / 'home'}")
    assert "KDCORE_HOME" in error.value


def test_an_unreachable_database_is_one_sentence(tmp_path, monkeypatch, open_app):
    import streamlit as st

    monkeypatch.setenv("KDCORE_DATABASE_URL", f"sqlite:///{tmp_path}/none/such.db")
    st.cache_resource.clear()
    (error,) = open_app().error
    assert "unable to open database file" in error.value
    assert "KDCORE_DATABASE_URL" in error.value
