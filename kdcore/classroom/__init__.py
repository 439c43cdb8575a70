"""Where teachers and students are trained: who learns from whom, on what, and in which order."""

from __future__ import annotations

from kdcore.classroom.students import Students
from kdcore.classroom.teachers import Teachers


class Classroom(Teachers, Students):
    """The networks of one recipe, as they are trained.

    members: each arm's networks, in the order of the seeds; assistants: each link's; reused:
    whether every teacher came from the shelf; compared, precision: what `Result` tells under these
    names; photographed: whether the first seed's students, where they are small, keep their weights
    at each report; own: own teachers, each with a process once it is asked, which `close` ends.
    shared: with recipes that are run beside this one, so that nothing is trained or asked twice.
    Raises RecipeError on what cannot be run.
    """
