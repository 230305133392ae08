"""Every setting of a deployment, read once from the environment or a file and never changed."""

from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
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

    trusted_proxies: str | None = Field(
        default=None, description="Proxies whose X-Forwarded-For is believed: addresses, separated by commas."
    )
    support_contact: str | None = Field(
        default=None, max_length=200, description="Whom people are told to ask when a key is refused."
    )
    keys_per_user: int = Field(default=10, ge=1, le=1000, description="Active keys of one account.")
    endless_keys: bool = Field(default=False, description="Whether a key may be made that never expires.")
    requests_per_minute: int = Field(
        default=100, ge=1, le=1_000_000, description="Requests of one key in any 60 seconds."
    )
    failed_keys_per_minute: int = Field(
        default=600, ge=1, le=1_000_000, description="Refused keys of one network in any 60 seconds."
    )
    running_per_user: int = Field(default=10, ge=1, le=1000, description="Executions of one account at once.")
    queued_per_user: int = Field(default=100, ge=1, le=100_000, description="Executions that may be queued.")
    waiting_per_user: int = Field(
        default=1000, ge=1, le=1_000_000, description="Executions that may wait for a human."
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="Mail server: smtp://, smtp+starttls:// or smtps://user:password@host:port."
    )
    mail_from: str | None = Field(default=None, description="Sender of mails.")

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
