"""A pipeline, run: its recipe, then stage after stage, each judged beside the ends."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kdcore.classroom import Classroom
from kdcore.classroom.room import telling
from kdcore.compress.ranges import Samples
from kdcore.errors import KdError
from kdcore.experiment import LATENCY_BATCHES, Experiment, default_shelf, fetched, machine
from kdcore.measure.latency import timing
from kdcore.measure.onnx_file import same_work
from kdcore.pipeline import Pipeline, told, trainings
from kdcore.result import ARMS, ArmName, Event, Latency, Progress, Result, with_costs
from kdcore.setting import Setting
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.stages.judging import Judge, Model, model_of_pieces
from kdcore.stages.work import Keeping, Piece, check, tuned, work
from kdcore.train.loop import Report
from kdcore.train.threads import one_thread
from kdcore.train.weights import packed
from kdcore.uploads.network import OnnxTeacher, latencies_apart
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, Lap, PipelineResult, Row

Happening = Event | Progress | Lap | Row | PipelineResult

ENDS: dict[ArmName, str] = {"teacher": TEACHER, "control": CONTROL, "distilled": ORIGINAL}
"""The first rows: what the stages begin from."""

ESTIMATE_SECONDS = 2.0
"""So long nobody says how much of a stage is left."""


def run_pipeline(
    pipeline: Pipeline,
    on_event: Callable[[Happening], object] | None = None,
    shelf: Shelf | None = None,
) -> PipelineResult:
    """Run a pipeline without axes to its end; `on_event` hears all that happens.

    shelf: where teachers are reused from and files kept, by default under KDCORE_HOME.
    Raises RecipeError, before any training, on a pipeline that cannot be run.
    """
    for _, happening in run_members([pipeline], shelf or default_shelf()):
        if isinstance(happening, KdError):
            raise happening
        if on_event is not None:
            on_event(happening)
        if isinstance(happening, PipelineResult):
            result = happening
    return result


def run_members(
    pipelines: Sequence[Pipeline], shelf: Shelf
) -> Generator[tuple[int, Happening | KdError], None, None]:
    """Pipelines one after another: what happens, with the place of the one to which it does.

    Those of one recipe begin from the same students, which are trained once. One that fails is
    told of by its error, and the others go on. Closing it stops all.
    """
    shared, rooms = Shared(), list[Classroom]()
    try:
        for place, pipeline in enumerate(pipelines):
            try:
                for happening in steps(pipeline, shelf, shared, rooms):
                    yield place, happening
            except KdError as error:
                yield place, error
    finally:
        for room in rooms:
            room.close()


def steps(
    pipeline: Pipeline, shelf: Shelf, shared: Shared, rooms: list[Classroom]
) -> Iterator[Happening]:
    """A pipeline as a generator: events, progress and laps, a row as soon as it is judged, at last
    the result, with latencies.

    shared: with pipelines that are run beside it; rooms: where each room that is opened is noted,
    to be closed by the caller.
    """
    began = time.perf_counter()
    with one_thread():
        yield from fetched(pipeline.recipe)
        check(pipeline, Setting(pipeline.recipe))
        key = ("students of a pipeline", pipeline.recipe.id)
        known = len(rooms)
        begun = yield from shared.once_told(key, partial(_trained, pipeline, shelf, rooms))
        aside = begun.aside if len(rooms) > known else 0.0  # else another pipeline's
        yield from Line(pipeline, begun, shelf, began, aside).steps()


@dataclass(frozen=True)
class Begun:
    """What the stages begin from: a recipe's run, but for its latencies, and what came of it.

    run: with its files on the shelf; answers: to the test samples, (N, C) for each seed; files: the
    first seed's ONNX files; aside: the seconds that took, once all were trained.
    """

    room: Classroom
    run: Result
    answers: Mapping[ArmName, list[Samples]]
    files: Mapping[ArmName, bytes]
    aside: float


def _trained(
    pipeline: Pipeline, shelf: Shelf, rooms: list[Classroom]
) -> Generator[Event | Progress, None, Begun]:
    """The recipe's teacher and students."""
    experiment = Experiment(pipeline.recipe, shelf)
    rooms.append(experiment.room)
    yield from experiment.train()
    trained = time.perf_counter()
    result, outputs = yield from experiment.judge()
    files = yield from telling("exporting", experiment.exported())
    run = replace(result, artifacts=experiment.kept(outputs, files))
    answers = {arm: [last.numpy() for last, _ in pairs] for arm, pairs in outputs.items()}
    return Begun(experiment.room, run, answers, files, time.perf_counter() - trained)


class Line:
    """The distilled students of a run on their way through the stages of one pipeline.

    aside: seconds in which it judged and exported what the stages begin from.
    """

    def __init__(
        self, pipeline: Pipeline, begun: Begun, shelf: Shelf, began: float, aside: float
    ) -> None:
        self.aside = aside
        self.pipeline, self.begun, self.shelf, self.began = pipeline, begun, shelf, began
        self.room = room = begun.room
        self.shape = room.setting.data.input_shape
        self.keeping = Keeping()
        self.rows: list[Row] = []
        self.files: list[bytes] = []
        self.stage_began = self.seated = time.perf_counter()
        self.training = 0.0

    def steps(self) -> Iterator[Happening]:
        """All of it."""
        judge = yield from self._ends()
        beside = self.rows[-1]
        if self.pipeline.tunes():
            beside = yield from self._trained_on(judge)
        pieces = self._pieces()
        for number, stage in enumerate(self.pipeline.stages, 1):
            self.stage_began = time.perf_counter()
            for place, piece in enumerate(pieces):
                for heard in work(piece, stage, self.room, self.keeping):
                    if heard.report is not None:
                        yield self._lap(piece, number - 1, heard.report)
                    yield self._progress(number, place, heard.done)
            if trainings(stage):
                self.training += time.perf_counter() - self.stage_began
            yield self._add(judge, self._model(told(stage), pieces), beside)
        yield (yield from self._measured())

    def _progress(self, number: int, place: int, share: float) -> Progress:
        """How far all of it is, and how much of this stage is left; 0 is the training on beside."""
        within = (place + share) / len(self.pipeline.recipe.seeds)
        gone, left = time.perf_counter() - self.stage_began, None
        if gone > ESTIMATE_SECONDS and within > 0:
            left = gone * (1 / within - 1)
        done = (number + within) / (len(self.pipeline.stages) + 1)
        return Progress("compressing", done, left)

    def _lap(self, piece: Piece, stage: int | None, report: Report) -> Lap:
        before = sum(tune.steps for tune in self.pipeline.tunes()[: piece.tuned - 1])
        accuracy = report.metrics["accuracy"]
        return Lap(stage, piece.seed, before + report.step, accuracy)

    def _pieces(self) -> list[Piece]:
        """A copy of each seed's distilled student."""
        teachers = [member.network for member in self.room.members["teacher"]]
        students = self.room.members["distilled"]
        if len(teachers) == 1:
            teachers *= len(students)
        return [
            Piece(each.seed, copy.deepcopy(each.network), each.network, teacher)
            for each, teacher in zip(students, teachers, strict=True)
        ]

    # rows

    def _ends(self) -> Generator[Row, None, Judge]:
        """The teacher, the student on labels alone, and the distilled one."""
        test = self.room.split("test")
        models = {arm: self._end(arm) for arm in ARMS}
        judge = Judge(
            *(test.labels.numpy(), models["teacher"].answers, models["distilled"].answers),
            *(self.shape, self.shelf),
        )
        for model in models.values():
            yield self._add(judge, model)
        return judge

    def _end(self, arm: ArmName) -> Model:
        network, content = self.room.members[arm][0].network, self.begun.files[arm]
        own = isinstance(network, OnnxTeacher)  # kept as it came
        weights = b"" if own else packed(network.state_dict())
        return Model(ENDS[arm], self.begun.answers[arm], network, content, weights=weights)

    def _trained_on(self, judge: Judge) -> Generator[Progress | Lap | Row, None, Row]:
        """The distilled student with all the further steps, and nothing else done to it."""
        pieces, tunes = self._pieces(), self.pipeline.tunes()
        rounding = self.pipeline.learns_to_round()
        self.stage_began = time.perf_counter()
        for place, piece in enumerate(pieces):
            for number, stage in enumerate(tunes, 1):
                # else the price of int8 would be told with that of computing in bfloat16 taken off
                in_float32 = rounding and number == len(tunes)
                for heard in tuned(piece, stage, self.room, in_float32=in_float32):
                    if heard.report is not None:
                        yield self._lap(piece, None, heard.report)
                    yield self._progress(0, place, (number - 1 + heard.done) / len(tunes))
        self.training += time.perf_counter() - self.stage_began
        row = self._add(judge, self._model(TRAINED_ON, pieces))
        yield row
        return row

    def _model(self, name: str, pieces: Sequence[Piece]) -> Model:
        return model_of_pieces(name, pieces, self.room.split("test"), self.shape)

    def _add(self, judge: Judge, model: Model, beside: Row | None = None) -> Row:
        row = judge.row(model, beside)
        self.rows.append(row)
        self.files.append(model.content)
        return row

    # latency

    def _measured(self) -> Generator[Progress, None, PipelineResult]:
        """All files in turns, at each batch size."""
        yield Progress("measuring", 0.0, None)
        timed: list[dict[str, Latency]] = []
        for number, batch in enumerate(LATENCY_BATCHES):
            scale = 1 / len(LATENCY_BATCHES)
            timed.append(
                (
                    yield from telling(
                        "measuring", self._latencies(batch), start=number * scale, scale=scale
                    )
                )
            )
        rows = tuple(
            replace(row, latency=tuple(each[str(place)] for each in timed))
            for place, row in enumerate(self.rows)
        )
        now = time.perf_counter()
        aside = self.aside + now - self.seated - self.training
        found = (machine(), now - self.began, self.keeping.sensitivity, aside)
        return PipelineResult(self.pipeline, rows, *found, self._run(rows))

    def _run(self, rows: Sequence[Row]) -> Result:
        """The recipe's run, with the latencies that were taken beside those of the stages."""
        latency = {arm: row.latency for arm, row in zip(ARMS, rows, strict=False)}
        sizes = {arm: len(content) for arm, content in self.begun.files.items()}
        return with_costs(self.begun.run, sizes, latency)

    def _latencies(self, batch: int) -> Generator[float, None, dict[str, Latency]]:
        files = {str(place): content for place, content in enumerate(self.files)}
        teacher = self.room.members["teacher"][0].network
        first = same_work(files, "0" if isinstance(teacher, OnnxTeacher) else None)
        timed = {name: files[name] for name in dict.fromkeys(first.values())}
        if isinstance(teacher, OnnxTeacher):
            yield 0.0
            found = latencies_apart(timed, self.shape, batch, {"0": teacher.call(batch)})
        else:
            found = yield from timing(timed, self.shape, batch)
        return {name: found[of] for name, of in first.items()}
