"""The house: who may import whom, how long a function may be, what is documented."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "kdcore").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]

# from the ground up: a room imports from its own and from those before it
ROOMS = [
    {
        "errors",
        "files",
        "drawn",
        "code",
        "fits",
        "ingest",
        "outcome",
        "pipeline",
        "quiet",
        "waterfall",
        "knobs",
        "registry",
        "recipe",
        "search",
        "settings",
        "shelf",
        "statistics",
        "sweep",
        "result",
        "schedule",
        "seeds",
        "shared",
        "validation",
    },
    {"tasks", "models", "methods"},
    {"answers", "insides", "panel", "saliency", "train", "measure", "compress", "samples"},
    {"uploads"},
    {"boundaries", "anatomy"},
    {"setting", "catalogue"},
    {"axes", "pipeline_axes", "spoken"},
    {"classroom", "trial"},
    {"experiment"},
    {"stages"},
    {"group"},
    {"forecast", "costs"},
    {"candidate"},
    {"studies"},
    {"runs"},
    {
        *("charts", "chart_axes", "look_tables", "compare_tables", "compare_rows"),
        *("model_table", "decide", "decide_words", "pipeline_tables"),
    },
    {
        *("sweep_charts", "search_charts", "look_charts", "compare_charts"),
        *("inside_charts", "layer_charts", "decide_charts", "pipeline_charts"),
        *("pipeline_settings", "tuning_charts"),
    },
    {"handover"},
    {"command"},
    {
        *("cli", "cli_gallery", "cli_handover", "cli_listings", "cli_own", "cli_pipeline"),
        "__main__",
    },
]
APART = {"tasks", "models", "methods"}

TORCH_FREE = [
    *("kdcore", "kdcore.fits", "kdcore.recipe", "kdcore.statistics", "kdcore.result"),
    "kdcore.schedule",
    *(
        "kdcore.ingest",
        "kdcore.outcome",
        "kdcore.pipeline",
        "kdcore.waterfall",
        "kdcore.compress.quantize",
        "kdcore.compress.sharing",
        "kdcore.search",
        "kdcore.search_charts",
        "kdcore.studies",
        "kdcore.sweep",
        "kdcore.uploads",
        "kdcore.uploads.onnx_host",
        "kdcore.settings",
        "kdcore.shelf",
        "kdcore.axes",
        "kdcore.catalogue",
        "kdcore.forecast",
        "kdcore.samples",
        "kdcore.answers",
        "kdcore.insides",
        "kdcore.inside_charts",
        "kdcore.layer_charts",
        "kdcore.saliency",
        "kdcore.drawn",
        "kdcore.panel",
        "kdcore.look_tables",
        "kdcore.look_charts",
        "kdcore.charts",
        "kdcore.spoken",
        "kdcore.compare_tables",
        "kdcore.compare_rows",
        "kdcore.compare_charts",
        "kdcore.sweep_charts",
        *("kdcore.model_table", "kdcore.decide_words", "kdcore.decide_charts"),
        "kdcore.cli",
        "kdcore.measure.here",
        "kdcore.measure.devices",
        "kdcore.handover.bundle",
        "kdcore.handover.report",
        *("kdcore.handover.made", "kdcore.handover.since", "kdcore.handover.timing"),
        *("kdcore.cli_gallery", "kdcore.cli_pipeline"),
    ),
    *("kdcore.runs.searches", "kdcore.runs.pipelines", "kdcore.pipeline_charts"),
    *("kdcore.pipeline_axes", "kdcore.pipeline_settings", "kdcore.tuning_charts"),
    *("kdcore.runs.store", "kdcore.runs.worker", "kdcore.runs.runner", "kdcore.runs.cluster"),
    *("kdcore.runs.preload", "kdcore.runs.answering"),
]


@cache
def parsed(path: Path) -> ast.Module:
    """A file as its tree, which several rules look at."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of the modules that a file imports; those for types alone left out."""
    tree = parsed(path)
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "kdcore" and len(parts) > 1 else None


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def definitions(path: Path):
    return [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def found(paths: Iterable[Path], look: Callable[[Path], Iterable[object]]) -> dict[str, list]:
    """What a rule finds wrong, by file: all of a rule's files are one test, for most take a
    millisecond, which is less than a test of its own costs.
    """
    wrong = {name_of(path): list(look(path)) for path in paths}
    return {name: what for name, what in wrong.items() if what}


def test_imports_are_written_out_from_the_root():
    def relative(path):
        return [node.lineno for node in ast.walk(parsed(path)) if getattr(node, "level", 0)]

    assert found([*ENGINE, *PAGES], relative) == {}


def test_the_engine_knows_no_page():
    def pages(path):
        return {name for name in imported(path) if name.split(".")[0] in ("streamlit", "pages")}

    assert found(ENGINE, pages) == {}


def test_imports_go_down_the_house():
    def upwards(path):
        place = path.relative_to(ROOT / "kdcore").parts[0].removesuffix(".py")
        if place == "__init__":
            return set()
        level = next(i for i, names in enumerate(ROOMS) if place in names)
        below = set().union(*ROOMS[: level + 1])
        wanted = {room(name) for name in imported(path)} - {None, place}
        rooms = {name for name in wanted if any(name in names for names in ROOMS)}
        return (rooms - below) | (rooms & (APART - {place}) if place in APART else set())

    assert found(ENGINE, upwards) == {}


def test_every_room_of_the_engine_has_its_place():
    rooms = {p.relative_to(ROOT / "kdcore").parts[0].removesuffix(".py") for p in ENGINE}
    assert rooms - {"__init__"} == set().union(*ROOMS)


def test_nothing_imports_a_page():
    pages = {f"pages.{p.stem}" for p in PAGES if p.parent.name == "pages"}
    parts = [p for p in PAGES if p.parent.name == "parts"]
    assert found(parts, lambda path: imported(path) & pages) == {}


def test_what_a_page_imports_brings_no_torch_along():
    code = f"import sys, {', '.join(TORCH_FREE)}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_no_function_is_longer_than_sixty_lines():
    def long(path):
        return [
            node.name
            for node in definitions(path)
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 60
        ]

    assert found([*ENGINE, *PAGES], long) == {}


def test_everything_public_in_the_engine_is_documented_and_typed():
    def bare(path):
        tree = parsed(path)
        if not ast.get_docstring(tree) and path.name != "__main__.py":
            yield "the file"
        classes = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        for node in [*tree.body, *(inner for each in classes for inner in each.body)]:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                inherits = isinstance(node, ast.FunctionDef) and ast.unparse(node).endswith("...")
                if not (ast.get_docstring(node) or inherits):
                    yield node.name
                elif isinstance(node, ast.FunctionDef) and node.returns is None:
                    yield f"{node.name} ->"

    assert found([p for p in ENGINE if "migrations" not in p.parts], bare) == {}


def test_no_note_to_oneself_is_left_in_the_code():
    for path in [*ENGINE, *PAGES]:
        text = path.read_text(encoding="utf-8")
        for word in ("TODO", "FIXME", "XXX", "HACK"):
            assert word not in text, path
