"""Containers: what can be checked without a Docker engine. Every path, version and setting named there exists here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from dmp.cli import COMMANDS, cli
from dmp.config import SECRET_VARIABLES, Config, load_config
from dmp.stack.artifacts import read_lock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parents[2]
DOCKER = PROJECT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
ENTRYPOINT = (DOCKER / "entrypoint.sh").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe").load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
MANIFEST: dict[str, Any] = YAML(typ="safe").load((DOCKER / "flinkdeployment.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# The dashboards' command comes with the package `dashboards`.
OURS = {
    name: service
    for name, service in SERVICES.items()
    if service["image"].startswith("dmp-flink") and (name != "dashboards" or "dashboards" in COMMANDS)
}
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKED = {artifact.coordinates.rsplit(":", 1)[0]: artifact.coordinates.rsplit(":", 1)[1] for artifact in read_lock()}
LOCK = (DOCKER / "requirements.txt").read_text(encoding="utf-8")
REQUIREMENTS = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
DATA_DIR = "/var/lib/dmp-flink"
PYFLINK = next(Path(sys.prefix).glob("lib/python*/site-packages/pyflink"))


def tag(name: str) -> str:
    return str(SERVICES[name]["image"].rsplit(":", 1)[1])


def variables() -> set[str]:
    """Every setting that this project reads from the environment."""
    sections = Config.model_fields.items()
    keys = {f"DMP_{s}__{k}".upper() for s, field in sections for k in field.annotation.model_fields}  # type: ignore[union-attr]
    return keys | set(SECRET_VARIABLES)


def test_dockerfile_follows_good_practice() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(linter), str(DOCKER / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] == "9999"


def test_compose_file_follows_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [str(checker), "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("there is no `docker compose` on this machine")
    secrets = dict.fromkeys(example_variables(), "x")
    command = [docker, "compose", "--profile", "*", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env={**os.environ, **secrets}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_versions_are_those_of_the_lock_file_and_of_the_project() -> None:
    assert tag("kafka") == LOCKED["org.apache.kafka:kafka_2.13"]
    assert tag("elasticsearch") == tag("kibana")
    assert {tag(name) for name in OURS} == {PYPROJECT["project"]["version"]}
    assert MANIFEST["spec"]["image"] == OURS["jobmanager"]["image"]
    flink = version("apache-flink")
    assert REQUIREMENTS["apache-flink"] == flink
    assert MANIFEST["spec"]["flinkVersion"] == "v" + "_".join(flink.split(".")[:2])
    jar = Path(MANIFEST["spec"]["job"]["jarURI"].removeprefix("local:///opt/flink/"))
    assert (PYFLINK / jar).is_file()
    for service in SERVICES.values():
        assert re.search(r":\d+\.\d+\.\d+", service["image"]), service["image"]


def test_python_of_the_image_is_one_that_the_project_takes() -> None:
    stages = re.findall(r"^FROM python:(\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2 and len(set(stages)) == 1
    minor = ".".join(stages[0].split(".")[:2])
    assert Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier.contains(minor + ".0")
    assert set(re.findall(r"lib/python([\d.]+)/", DOCKERFILE)) == {minor}


def test_pinned_packages_are_what_the_project_asks_for() -> None:
    for text in PYPROJECT["project"]["dependencies"]:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"python_version": "3.11"}):
            assert wanted.specifier.contains(REQUIREMENTS[wanted.name]), text


def test_every_pinned_package_has_its_hashes_and_none_is_missing() -> None:
    entries = re.split(r"^(?=\w)", re.sub(r"^\s*#.*\n", "", LOCK, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert len(entries) == len(REQUIREMENTS) > 60
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", entry), entry
    assert "--require-hashes" in DOCKERFILE
    (locked_for,) = re.findall(r"--python-version (\S+)", (PROJECT / "Makefile").read_text(encoding="utf-8"))
    assert f"FROM python:{locked_for}-" in DOCKERFILE
    if sys.version_info[:2] == (3, 11):  # what is installed here is then what the image needs
        assert needed("dmp-flink", "geo") - {"dmp-flink"} <= REQUIREMENTS.keys()


def needed(package: str, extra: str = "") -> set[str]:
    """The package and all that it needs on the image's Python, by the packages that are installed here."""
    found: set[str] = set()
    wanted = [(package, extra)]
    while wanted:
        name, extra = wanted.pop()
        found.add(canonicalize_name(name))
        for text in requires(name) or ():
            requirement = Requirement(text)
            marker = {"extra": extra, "python_version": "3.11", "python_full_version": "3.11.13"}
            if requirement.marker is None or requirement.marker.evaluate(marker):
                extras = requirement.extras or {""}
                known = canonicalize_name(requirement.name) in found and extras == {""}
                wanted += [] if known else [(requirement.name, extra) for extra in extras]
    return found


def test_bill_of_materials_lists_what_is_pinned(tmp_path: Path) -> None:
    program, target = Path(sys.executable).with_name("cyclonedx-py"), tmp_path / "sbom.json"
    command = [str(program), "requirements", str(DOCKER / "requirements.txt"), "--output-file", str(target)]
    subprocess.run(command, check=True)
    components = json.loads(target.read_text(encoding="utf-8"))["components"]
    assert {component["name"]: component["version"] for component in components} == REQUIREMENTS
    assert all(component["purl"] for component in components)


def test_every_path_exists() -> None:
    for source in re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE):
        assert (PROJECT / source).exists(), source
    named = [*re.findall(r"/opt/dmp/([\w./]+)", DOCKERFILE + ENTRYPOINT), SERVICES["setup"]["command"][1]]
    named += [MANIFEST["spec"]["job"]["args"][1].removeprefix("/opt/dmp/")]
    for path in named:
        assert (PROJECT / path).is_file(), path
    scripts = {script.name for script in (PYFLINK / "bin").iterdir()}
    assert set(re.findall(r"exec ([\w-]+\.sh)", ENTRYPOINT)) <= scripts
    kept = (PROJECT / ".dockerignore").read_text(encoding="utf-8")
    for folder in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]:
        assert f"!{folder.rstrip('*')}\n" in kept, folder
    assert "docker/.env\n" in kept.split("!pyproject.toml")[1]  # secrets stay out of the image
    for volume in OURS["jobmanager"]["volumes"]:
        name, target = volume.split(":")
        assert name in COMPOSE["volumes"] and target.startswith(DATA_DIR)
        assert target.removeprefix(f"{DATA_DIR}/") in DOCKERFILE


def test_every_command_is_one_that_dmp_takes() -> None:
    for service in OURS.values():
        if service["command"][0] == "dmp":
            cli.make_context("dmp", service["command"][1:])
            assert set(service["command"]) & set(COMMANDS)


def test_every_setting_is_one_that_the_project_knows() -> None:
    named = set(re.findall(r"\bDMP_\w+", DOCKERFILE + str(OURS) + str(MANIFEST)))
    assert named and named <= variables()
    assert f"DMP_STACK__DATA_DIR={DATA_DIR}" in DOCKERFILE


def test_every_secret_is_in_the_example_and_nowhere_else() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    interpolated = set(re.findall(r"\$\{(\w+)", text)) | {s["environment"] for s in COMPOSE["secrets"].values()}
    assert interpolated == set(example_variables())
    for service in OURS.values():
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8")
    assert "docker/.env\n" in ignored


def test_every_service_has_limits_and_every_server_a_health_check() -> None:
    for name, service in SERVICES.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        one_shot = service.get("restart") == "no"
        assert one_shot or service["healthcheck"]["test"], name
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)


def test_kafka_is_set_up_as_the_local_one() -> None:
    local = dict(
        line.split("=", 1)
        for line in (PROJECT / "dmp/stack/kafka.properties").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    given = {n.removeprefix("KAFKA_").lower().replace("_", "."): v for n, v in SERVICES["kafka"]["environment"].items()}
    same = [name for name in given if name in local and "listener" not in name and name not in ("log.dirs",)]
    differing = [name for name in same if given[name] != local[name] and name != "controller.quorum.voters"]
    assert len(same) > 8 and differing == []
    assert set(given) - set(local) == {"heap.opts"}


def test_kubernetes_runs_jobs_as_the_local_cluster_does() -> None:
    """What holds for any cluster is the same in both; folders, memory and sizes are those of each."""
    text = (PROJECT / "flink-conf" / "config.yaml").read_text(encoding="utf-8")
    local = YAML(typ="base").load(text)  # all values as strings, as Kubernetes takes them
    of_a_cluster = r"(execution\.checkpointing|restart-strategy|classloader|python|pipeline|table)\b"
    shared = [key for key in local if re.match(rf"{of_a_cluster}|.*rocksdb\.(?!memory|log)", key)]
    assert len(shared) > 20
    given = MANIFEST["spec"]["flinkConfiguration"]
    assert [key for key in shared if key not in given] == []
    fixed = [key for key in shared if "${" not in local[key]]
    assert {key: given[key] for key in fixed} == {key: local[key] for key in fixed}


def test_home_of_the_image_has_the_jars_of_the_lock_file(tmp_path: Path) -> None:
    """What the Dockerfile and the entry point run."""
    settings = {
        "DMP_STACK__DATA_DIR": str(tmp_path),
        "DMP_STACK__CACHE_DIR": str(load_config().stack.cache_dir),
        "DMP_FLINK__SLOTS": "7",
        "DMP_ELASTICSEARCH__URL": "http://elasticsearch:9200",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DMP_")}
    subprocess.run(
        [sys.executable, str(DOCKER / "flink_home.py")],
        env={**clean, **settings, "PYTHONPATH": str(PROJECT)}, check=True, cwd=tmp_path,
    )  # fmt: skip
    home = tmp_path / "flink" / "home"
    for artifact in read_lock():
        if artifact.purpose.startswith("flink-"):
            assert (home / artifact.purpose.removeprefix("flink-") / artifact.filename).exists()
    assert list((home / "lib").glob("flink-python-*.jar")), "each job would load PyFlink's classes again"
    rendered = YAML(typ="safe").load((home / "conf" / "config.yaml").read_text(encoding="utf-8"))
    assert rendered["taskmanager.numberOfTaskSlots"] == 7
    assert rendered["execution.checkpointing.dir"] == (tmp_path / "flink" / "checkpoints").as_uri()


def test_entry_point_is_a_sound_script() -> None:
    assert os.access(DOCKER / "entrypoint.sh", os.X_OK)
    assert subprocess.run(["sh", "-n", str(DOCKER / "entrypoint.sh")]).returncode == 0


def example_variables() -> list[str]:
    return re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
