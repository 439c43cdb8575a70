"""Where things are kept: environment variables, each with a default that just works."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from kdcore.errors import HomeError

GALLERY = Path(__file__).parents[1] / "assets" / "gallery"
"""The one that comes with the project."""


@dataclass(frozen=True)
class Settings:
    """home: database and artifacts; data: data sets; scheduler: a Dask cluster's address; trace:
    whether each run leaves a profile of itself; gallery: a folder of what is finished and shown.

    From KDCORE_HOME, KDCORE_DATA, KDCORE_DATABASE_URL, KDCORE_SCHEDULER, KDCORE_TRACE and
    KDCORE_GALLERY.
    """

    home: Path
    data: Path
    database_url: str
    scheduler: str | None = None
    trace: bool = False
    gallery: Path = GALLERY

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings of this process; an empty variable counts as unset."""
        home = environment.get("KDCORE_HOME")
        folder = Path(home).expanduser().absolute() if home else user_data_path("kdcore", False)
        data, gallery = environment.get("KDCORE_DATA"), environment.get("KDCORE_GALLERY")
        return cls(
            home=folder,
            data=Path(data).expanduser().absolute() if data else folder / "data",
            database_url=environment.get("KDCORE_DATABASE_URL")
            or f"sqlite:///{folder / 'kdcore.db'}",
            scheduler=_address(environment.get("KDCORE_SCHEDULER", "")) or None,
            trace=environment.get("KDCORE_TRACE", "") not in ("", "0"),
            gallery=Path(gallery).expanduser().absolute() if gallery else GALLERY,
        )

    def environment(self) -> dict[str, str]:
        """The variables that give another process these very settings."""
        return {
            "KDCORE_HOME": str(self.home),
            "KDCORE_DATA": str(self.data),
            "KDCORE_DATABASE_URL": self.database_url,
            "KDCORE_SCHEDULER": self.scheduler or "",
            "KDCORE_TRACE": "1" if self.trace else "",
            "KDCORE_GALLERY": str(self.gallery),
        }

    def ready_home(self) -> Path:
        """The home folder, made if need be. Raises HomeError where it can't be written."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.home):
                pass
        except OSError as error:
            raise HomeError(
                f"cannot write to {self.home}: {error.strerror}. "
                "Set KDCORE_HOME to a folder that you may write to."
            ) from None
        return self.home


def _address(scheduler: str) -> str:
    """Dask takes host:port for tcp://host:port; written out, it is one address everywhere."""
    return scheduler if "://" in scheduler or not scheduler else f"tcp://{scheduler}"
