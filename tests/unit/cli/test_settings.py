from pathlib import Path

import pytest

from mixus.cli import settings
from mixus.cli.database import open_database
from mixus.core.errors import Misconfigured
from mixus.core.settings import Settings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(settings.variable_of(name), raising=False)
    monkeypatch.setenv("MIXUS_SETTINGS_FILE", str(tmp_path / "settings"))
    (tmp_path / "settings").write_text("MIXUS_MODEL=openai:some-model\nMIXUS_DATA=from-the-file\n")
    return tmp_path / "settings"


def test_the_command_wins_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.load().data == Path("from-the-file")
    monkeypatch.setenv("MIXUS_DATA", "from-the-environment")
    assert settings.load().data == Path("from-the-environment")
    assert settings.load(data=Path("from-the-command")).data == Path("from-the-command")
    assert settings.load().model == "openai:some-model"


def test_an_empty_variable_is_unset(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("MIXUS_PUBLIC_URL=\n")
    monkeypatch.setenv("MIXUS_MODEL", "")
    assert settings.load().model == "rehearsal"
    assert settings.load().public_url is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("MIXUS_PUBLIC_URL=mixus.example.org", "MIXUS_PUBLIC_URL is not valid: must start with http://"),
        ("MIXUS_PUBLIK_URL=https://mixus.example.org", "MIXUS_PUBLIK_URL in the settings file is no setting"),
    ],
)
def test_a_wrong_line_is_named_and_its_value_is_not_shown(file: Path, line: str, sentence: str) -> None:
    file.write_text(line)
    with pytest.raises(Misconfigured) as refused:
        settings.load()
    assert sentence in refused.value.detail
    assert "mixus.example.org" not in refused.value.detail


def test_a_settings_file_that_is_not_there_is_refused(file: Path) -> None:
    file.unlink()
    with pytest.raises(Misconfigured, match="does not exist"):
        settings.load()


def test_an_unknown_variable_is_a_warning(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIXUS_MODLE", "made-up")
    settings.load()
    assert capsys.readouterr().err.startswith("MIXUS_MODLE is no setting of mixus")


@pytest.mark.parametrize(
    "url", ["mysql://example.org/mixus", "sqlite://", "sqlite:///:memory:", "no address"]
)
def test_only_a_file_or_a_postgres_is_a_database(url: str) -> None:
    with pytest.raises(Misconfigured, match="MIXUS_DATABASE_URL"):
        open_database(Settings(database_url=url))
