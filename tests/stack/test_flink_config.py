"""Every key of our configuration is one that Flink knows, and every value one that it accepts.

Flink ignores keys that it does not know, so a mistyped one would go unnoticed for ever. Here Flink's own classes
are asked: all their ConfigOption fields are collected by reflection.
"""

from __future__ import annotations

import ast
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dmp.config import Config
from dmp.errors import UserError
from dmp.stack.artifacts import ArtifactCache
from dmp.stack.flink import PROJECT, FlinkHome
from dmp.stack.server import Surroundings

pytestmark = pytest.mark.flink

OPTION_CLASSES = re.compile(r"org/apache/flink/(?!.*shaded/).*(Options?|Config|Constants)(\$\w+)?\.class$")
JARS = ("lib/flink-dist-*.jar", "lib/flink-table-api-java-uber-*.jar", "opt/flink-python-*.jar")
REPORTER_KEY = re.compile(r"metrics\.reporter\.\w+\.(.+)")
PROGRAMS = ("jobs/*.py", "schemas/sql_client.py", "bench/**/*.py")
# No name of a file, and no option of tables (scan): Flink refuses those that it does not know.
KEY = re.compile(r"(?!scan\.)[a-z-]+(\.[a-z-]+)+(?<!\.sql)")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, config: Config) -> FlinkHome:
    home = _home(config, tmp_path_factory.mktemp("flink"))
    home.write()
    return home


@pytest.fixture(scope="module")
def options(rendered: FlinkHome) -> dict[str, Any]:
    """Flink's ConfigOption objects by key."""
    found: dict[str, Any] = {}
    jvm = _jvm(rendered)
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    jars = [jar for pattern in JARS for jar in rendered.home.glob(pattern)]
    for name in sorted(_option_classes(jars)):
        for field in jvm.java.lang.Class.forName(name, True, loader).getDeclaredFields():
            is_static = jvm.java.lang.reflect.Modifier.isStatic(field.getModifiers())
            if is_static and field.getType().getName() == "org.apache.flink.configuration.ConfigOption":
                field.setAccessible(True)
                option = field.get(None)
                found[option.key()] = option
    # The reporter is a plugin with a class loader of its own, and its port is a constant instead of an option.
    (plugin,) = (rendered.home / "plugins" / "metrics-prometheus").glob("*.jar")
    factory = jvm.java.net.URLClassLoader(_urls(jvm, plugin), loader).loadClass(
        "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
    )
    field = factory.getDeclaredField("ARG_PORT")
    field.setAccessible(True)
    found[field.get(None)] = None
    return found


def test_every_key_is_known_to_flink(rendered: FlinkHome, options: dict[str, Any]) -> None:
    keys = _configuration(rendered)
    assert len(keys) > 40
    assert unknown_keys(keys, options) == []


def test_every_key_of_the_containers_is_known_to_flink(options: dict[str, Any]) -> None:
    """Those on the command lines of the entry point and of the Kubernetes manifest."""
    entry_point = (PROJECT / "docker" / "entrypoint.sh").read_text(encoding="utf-8")
    manifest = YAML(typ="safe").load((PROJECT / "docker" / "flinkdeployment.yaml").read_text(encoding="utf-8"))
    given = set(re.findall(r"-D ([\w.-]+)=", entry_point)) | set(manifest["spec"]["flinkConfiguration"])
    keys = [key for key in given if not key.startswith("sql-gateway.")]  # in a jar of its own; every use of it shows
    assert len(keys) > 20
    assert unknown_keys(keys, options) == []


def test_every_key_of_programs_is_known_to_flink(options: dict[str, Any]) -> None:
    """Texts that begin as keys of Flink do."""
    beginnings = {key.partition(".")[0] for key in options}
    given = {text for text in _texts(*PROGRAMS) if KEY.fullmatch(text) and text.partition(".")[0] in beginnings}
    assert {"python.fn-execution.memory.managed", "table.exec.state.ttl", "restart-strategy.type"} <= given
    assert unknown_keys(given, options) == []


@pytest.mark.parametrize(
    "mutant", ["execution.checkpointing.intervall", "restart-strategy", "metrics.reporter.prom.prot", "table.exec.uid"]
)
def test_a_wrong_key_is_noticed(rendered: FlinkHome, options: dict[str, Any], mutant: str) -> None:
    assert unknown_keys([*_configuration(rendered), mutant], options) == [mutant]


def test_flink_accepts_every_value(rendered: FlinkHome, options: dict[str, Any]) -> None:
    jvm = _jvm(rendered)
    loaded = jvm.org.apache.flink.configuration.GlobalConfiguration.loadConfiguration(str(rendered.home / "conf"))
    for key in _configuration(rendered):
        if options.get(key) is not None:
            assert loaded.getOptional(options[key]).isPresent(), key


def test_a_key_given_twice_is_told(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flink's scripts would end without a word."""
    shutil.copytree(PROJECT / "flink-conf", tmp_path / "flink-conf")
    with (tmp_path / "flink-conf" / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("parallelism.default: 2\n")
    monkeypatch.setattr("dmp.stack.flink.PROJECT", tmp_path)
    with pytest.raises(UserError, match=r"config\.yaml is no valid YAML: parallelism\.default is given twice"):
        _home(config, tmp_path).write()


def _home(config: Config, data_dir: Path) -> FlinkHome:
    stack = config.stack.model_copy(update={"data_dir": data_dir})
    return FlinkHome(Surroundings(config.model_copy(update={"stack": stack}), ArtifactCache(stack.cache_dir)))


def _texts(*programs: str) -> Iterator[str]:
    """Every text that stands in Python programs, given by patterns."""
    for file in (file for pattern in programs for file in PROJECT.glob(pattern)):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def unknown_keys(keys: Iterable[str], options: dict[str, Any]) -> list[str]:
    return [key for key in keys if REPORTER_KEY.sub(r"\1", key) not in options]


def _configuration(home: FlinkHome) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((home.home / "conf" / "config.yaml").read_text(encoding="utf-8"))
    return loaded


def _option_classes(jars: Iterable[Path]) -> Iterable[str]:
    for jar in jars:
        with zipfile.ZipFile(jar) as content:
            for name in content.namelist():
                if OPTION_CLASSES.match(name):
                    yield name[: -len(".class")].replace("/", ".")


def _jvm(home: FlinkHome) -> Any:
    """The Java side of PyFlink, which any other test of this session shares."""
    import os

    from pyflink.java_gateway import get_gateway

    os.environ.setdefault("JAVA_HOME", str(home.surroundings.java_home))
    return get_gateway().jvm


def _urls(jvm: Any, *files: Path) -> Any:
    from pyflink.java_gateway import get_gateway

    array = get_gateway().new_array(jvm.java.net.URL, len(files))
    for position, file in enumerate(files):
        array[position] = jvm.java.io.File(str(file)).toURI().toURL()
    return array
