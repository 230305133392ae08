"""What agents may reach is checked at start, and is never the service's own data."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mixus.core.settings import Settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "inner").mkdir(parents=True)
    (data / "mixus.db").touch()
    return data


def refusal(**given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    return str(refused.value)


def test_the_folder_of_files_must_be_there(data: Path) -> None:
    assert "must be a folder that is there" in refusal(data=data, files=data / "none")
    assert "must be a folder that is there" in refusal(data=data, files=data / "mixus.db")


def test_the_database_to_query_must_be_there(data: Path) -> None:
    assert "must be a file that is there" in refusal(data=data, query_database=data / "inner")
    assert "must be a file that is there" in refusal(data=data, query_database=data / "none.db")


def test_agents_get_no_folder_that_holds_the_data_or_the_pepper(data: Path, tmp_path: Path) -> None:
    for folder in (data, tmp_path, data / "inner" / ".."):
        assert "must not hold the data folder" in refusal(data=data, files=folder)
    (tmp_path / "link").symlink_to(tmp_path)
    assert "must not hold the data folder" in refusal(data=data, files=tmp_path / "link")
    (tmp_path / "files").mkdir()
    pepper = tmp_path / "files" / "pepper"
    assert "the pepper" in refusal(data=data, pepper_file=pepper, files=tmp_path / "files")
    assert Settings(data=data, files=tmp_path / "files").files == tmp_path / "files"


def test_agents_query_no_database_of_the_service(data: Path, tmp_path: Path) -> None:
    assert "must not stand in the data folder" in refusal(data=data, query_database=data / "mixus.db")
    (tmp_path / "shop.db").touch()
    assert Settings(data=data, query_database=tmp_path / "shop.db").query_database == tmp_path / "shop.db"
