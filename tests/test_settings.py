from pathlib import Path

import pytest

from kdcore.errors import HomeError
from kdcore.settings import Settings


def test_without_variables_everything_is_under_one_folder_of_the_user():
    settings = Settings.from_environment({})
    assert settings.home.name == "kdcore"
    assert settings.data == settings.home / "data"
    assert settings.database_url == f"sqlite:///{settings.home}/kdcore.db"
    assert settings.scheduler is None


def test_a_home_moves_data_and_database_along():
    settings = Settings.from_environment({"KDCORE_HOME": "/srv/kd"})
    assert settings == Settings(
        Path("/srv/kd"), Path("/srv/kd/data"), "sqlite:////srv/kd/kdcore.db", None
    )


def test_each_variable_sets_its_own_part():
    variables = {
        "KDCORE_HOME": "/srv/kd",
        "KDCORE_DATA": "/data",
        "KDCORE_DATABASE_URL": "postgresql://db/kd",
        "KDCORE_SCHEDULER": "tcp://10.0.0.1:8786",
        "KDCORE_TRACE": "1",
    }
    assert Settings.from_environment(variables) == Settings(
        Path("/srv/kd"), Path("/data"), "postgresql://db/kd", "tcp://10.0.0.1:8786", True
    )


@pytest.mark.parametrize(
    "variable", ["KDCORE_HOME", "KDCORE_DATA", "KDCORE_DATABASE_URL", "KDCORE_SCHEDULER"]
)
def test_an_empty_variable_counts_as_unset(variable):
    assert Settings.from_environment({variable: ""}) == Settings.from_environment({})


def test_a_tilde_is_the_users_folder():
    assert Settings.from_environment({"KDCORE_HOME": "~/kd"}).home == Path.home() / "kd"


def test_a_relative_home_is_taken_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({"KDCORE_HOME": "kd"}).home == tmp_path / "kd"


def test_the_process_environment_is_read_anew_each_time(monkeypatch):
    monkeypatch.setenv("KDCORE_HOME", "/srv/one")
    Settings.from_environment()
    monkeypatch.setenv("KDCORE_HOME", "/srv/two")
    assert Settings.from_environment().home == Path("/srv/two")


@pytest.mark.parametrize("scheduler", [None, "tcp://10.0.0.1:8786"])
def test_settings_travel_to_another_process_whole(scheduler):
    settings = Settings(
        *(Path("/srv/kd"), Path("/data"), "sqlite:////srv/kd.db", scheduler, scheduler is None)
    )
    assert Settings.from_environment(settings.environment()) == settings


def test_a_home_is_made_where_there_is_none(home):
    assert Settings.from_environment().ready_home() == home
    assert home.is_dir()


def test_a_ready_home_holds_nothing_yet(home):
    Settings.from_environment().ready_home()
    assert list(home.iterdir()) == []


def test_a_home_below_a_file_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    settings = Settings.from_environment({"KDCORE_HOME": str(tmp_path / "file" / "home")})
    with pytest.raises(HomeError) as caught:
        settings.ready_home()
    assert str(tmp_path / "file" / "home") in str(caught.value)
    assert "KDCORE_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scheduler_without_a_scheme_is_one_of_tcp():
    named = Settings.from_environment({"KDCORE_SCHEDULER": "host:8786"})
    assert named.scheduler == "tcp://host:8786"
    secure = Settings.from_environment({"KDCORE_SCHEDULER": "tls://host:8786"})
    assert secure.scheduler == "tls://host:8786"
