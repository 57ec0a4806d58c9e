"""Every setting, once: an environment variable `WEBMON_NAME` or a key of `webmon.toml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from webmon.errors import SettingsError

COUNTRY_FILE = Path(__file__).parent / "data" / "country.mmdb"
SPAM_REFERRERS_FILE = Path(__file__).parent / "data" / "spam_referrers.txt"


class Settings(BaseSettings):
    """What an operator can set. Each field's description is its help text, in the documentation too."""

    model_config = SettingsConfigDict(env_prefix="WEBMON_", extra="forbid", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder that holds all state; created with mode 0700.")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="Address under which browsers reach webmon; https turns on secure cookies and HSTS. "
        "Where it is not set, a server's is the one it listens on.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="CIDRs, separated by commas, whose forwarding headers are believed."
    )
    proxy_header: Literal[
        "",
        "x-webmon-ip",
        "x-plausible-ip",
        "b-forwarded-for",
        "cf-connecting-ip",
        "true-client-ip",
        "fly-client-ip",
        "x-real-ip",
        "x-forwarded-for",
        "forwarded",
    ] = Field(
        "", description="The one header whose word for who asks is taken from trusted proxies; none: any known."
    )
    country_file: Path = Field(COUNTRY_FILE, description="MMDB file that tells an address's country.")
    city_file: Path | None = Field(
        None,
        description="MMDB file that tells an address's country, region and city, in place of the country file; "
        "none: region and city are not recorded.",
    )
    asn_file: Path | None = Field(
        None, description="MMDB file that tells an address's internet provider; none: not recorded."
    )
    spam_referrers_file: Path = Field(
        SPAM_REFERRERS_FILE,
        description="Text file of hosts, one on each line, whose referrers are spam; hits from them are not counted.",
    )
    datacenter_file: Path | None = Field(
        None,
        description="Text file of CIDRs, one on each line, from which no person browses; "
        "hits from there that name no consent are not counted.",
    )
    retention_file: Path | None = Field(
        None, description="TOML file with retention rules; they win over those of the admin pages."
    )
    spool_limit: int = Field(
        1_000_000, ge=1_000, description="Acknowledged hits that may wait for the event log before 429."
    )
    threads: int = Field(16, ge=1, le=256, description="Threads that answer requests.")
    event_log_memory: str = Field(
        "120MB", pattern=r"^\d+(MB|GB)$", description="Memory the event log's engine may use."
    )
    min_password_length: int = Field(12, ge=8, le=128, description="Shortest password a staff member may set.")
    wrapping_key: str = Field(
        "",
        description="Key that encrypts all other keys, 64 hexadecimal digits, in place of the file secret.key; "
        "during its rotation the new key, a comma, and the old one.",
        repr=False,
    )
    metrics_token: str = Field(
        "", description="Bearer token that opens /metrics (Prometheus); none: the page is not there.", repr=False
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written."
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("proxy_header", mode="before")
    @classmethod
    def _header(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
            raise ValueError("must be an origin such as https://webmon.example.org")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, Path(os.environ.get("WEBMON_CONFIG", "webmon.toml")))
        return init_settings, env_settings, toml

    @property
    def place_file(self) -> Path:
        """The file that tells where an address is."""
        return self.city_file or self.country_file

    @property
    def has_public_url(self) -> bool:
        """Whether somebody has set the public address."""
        return "public_url" in self.model_fields_set

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings, or raise `SettingsError` whose text names each setting that is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [f"WEBMON_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from error
