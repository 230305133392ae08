"""Every setting of a deployment, read once from the environment or a file and never changed."""

from email.message import EmailMessage
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mixus.core.database import sqlite_url
from mixus.core.hosts import entry_of, parse_hosts

MAIL_SCHEMES = ("smtp", "smtp+starttls", "smtps")


class ReviewLinks(StrEnum):
    """What a link can do without a sign-in."""

    DECIDE = "decide"
    VIEW = "view"
    OFF = "off"


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
    models: str | None = Field(
        default=None,
        description="Models that a task may name, separated by commas, with `*`: openai:gpt-*. Unset: all.",
    )
    judge_model: str | None = Field(
        default=None, description="Model that judges an outcome; the execution's own when unset."
    )
    model_timeout_seconds: float = Field(
        default=120, gt=0, le=3600, description="Longest silence of a provider during one call."
    )
    prices_file: Path | None = Field(
        default=None, description="Prices of models, as JSON; they come before the known ones."
    )
    live_tools: str | None = Field(
        default=None, description="Tools whose effects may be real, separated by commas."
    )
    live_without_verification: bool = Field(
        default=False, description="Whether `live` may go with `without-verification`."
    )
    files: Path | None = Field(
        default=None, description="Folder that agents read files from; in `live` they write there."
    )
    query_database: Path | None = Field(default=None, description="SQLite database that agents query.")
    web_hosts: str | None = Field(
        default=None,
        description="Hosts that `web_fetch` may read, separated by commas; `*` is any public one.",
    )
    http_hosts: str | None = Field(
        default=None, description="Hosts that `http_request` may send to, separated by commas."
    )
    search_url: str | None = Field(default=None, description="SearXNG server that `web_search` asks.")
    mcp_file: Path | None = Field(default=None, description="MCP servers and their tools, as JSON.")
    otlp_endpoint: str | None = Field(
        default=None, description="OpenTelemetry collector that traces go to, over HTTP."
    )
    public_url: str | None = Field(default=None, description="Address that people and clients reach us at.")
    review_links: ReviewLinks = Field(
        default=ReviewLinks.DECIDE,
        description="What the signed link in a review mail lets its reader do; `off` puts none in.",
    )
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

    @field_validator("files")
    @classmethod
    def _is_a_folder_for_agents(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("must be a folder that is there")
        if value is not None and any(path.is_relative_to(value.resolve()) for path in _own_paths(info)):
            raise ValueError("must not hold the data folder or the pepper; name another folder")
        return value

    @field_validator("query_database")
    @classmethod
    def _is_a_database_for_agents(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("must be a file that is there, an SQLite database")
        if value is not None and value.resolve().parent in _own_paths(info):
            raise ValueError("must not stand in the data folder, where the service has its own")
        return value

    @field_validator("web_hosts", "http_hosts")
    @classmethod
    def _are_hosts(cls, value: str | None) -> str | None:
        parse_hosts(value or "")
        return value

    @field_validator("search_url", "otlp_endpoint")
    @classmethod
    def _is_a_server(cls, value: str | None) -> str | None:
        if value is not None:
            entry_of(value)
        return value and value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: str | None) -> str | None:
        for part in (value or "").split(",") if value else []:
            try:
                ip_network(part.strip(), strict=False)
            except ValueError:
                raise ValueError(
                    "must be addresses or networks, separated by commas: 10.0.0.7, 192.0.2.0/24"
                ) from None
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_mail_server(value.get_secret_value()):
            raise ValueError(
                "must be smtp://, smtp+starttls:// or smtps://, then user:password@ if it needs one (ASCII; "
                "write @ : / # % as %40 %3A %2F %23 %25), the host and :port, and no more"
            )
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_one_address(cls, value: str | None) -> str | None:
        if value is not None and not _is_one_sender(value):
            raise ValueError("must be one address, such as mixus@example.org or Mixus <mixus@example.org>")
        return value

    @property
    def sends_mail(self) -> bool:
        return None not in (self.smtp_url, self.mail_from, self.public_url)

    @property
    def missing_for_mail(self) -> list[str]:
        """Variables without which no mail leaves; none where nobody has begun to set mail up."""
        if self.smtp_url is None and self.mail_from is None:
            return []
        needed = {"smtp_url": self.smtp_url, "mail_from": self.mail_from, "public_url": self.public_url}
        return [f"MIXUS_{name.upper()}" for name, value in needed.items() if value is None]

    @cached_property
    def store_url(self) -> str:
        return self.database_url or sqlite_url(self.data.absolute() / "mixus.db")

    @cached_property
    def pepper_path(self) -> Path:
        return self.pepper_file or self.data / "pepper"


def _own_paths(info: ValidationInfo) -> list[Path]:
    """What no agent may reach, of the settings that are valid so far."""
    own = (info.data.get("data"), info.data.get("pepper_file"))
    return [path.resolve() for path in own if path is not None]


def _is_mail_server(url: str) -> bool:
    """Without saying why not: the parser's own words would quote parts of a password."""
    try:
        parts = urlsplit(url)
        port, name = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    rest = f"{parts.path.removeprefix('/')}{parts.query}{parts.fragment}"
    is_ascii = unquote(f"{parts.username}{parts.password}").isascii()
    return parts.scheme in MAIL_SCHEMES and bool(name) and port != 0 and is_ascii and not rest


def _is_one_sender(text: str) -> bool:
    message = EmailMessage()
    try:
        message["From"] = text
        domains = [address.domain.encode("idna") for address in message["From"].addresses]
    except ValueError:
        return False
    return len(domains) == 1 and domains != [b""] and not message["From"].defects
