"""Every setting of a deployment, read once from the environment or a file and never changed."""

from functools import cached_property
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mixus.core.database import sqlite_url


class Settings(BaseSettings):
    """`MIXUS_…` environment variables, or lines of the file that `MIXUS_SETTINGS_FILE` names."""

    model_config = SettingsConfigDict(env_prefix="MIXUS_", frozen=True, extra="forbid")

    data: Path = Field(default=Path("mixus-data"), description="Folder of the database and the pepper.")
    database_url: str | None = Field(
        default=None, description="SQLite or Postgres; an SQLite file in the data folder when unset."
    )
    pepper_file: Path | None = Field(
        default=None, description="Secret that keys are hashed with; `pepper` in the data folder when unset."
    )
    model: str = Field(default="rehearsal", description="Model of a task that names none.")
    public_url: str | None = Field(default=None, description="Address that people and clients reach us at.")

    @field_validator("public_url")
    @classmethod
    def _has_no_slash_at_its_end(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value and value.rstrip("/")

    @cached_property
    def store_url(self) -> str:
        return self.database_url or sqlite_url(self.data.absolute() / "mixus.db")

    @cached_property
    def pepper_path(self) -> Path:
        return self.pepper_file or self.data / "pepper"
