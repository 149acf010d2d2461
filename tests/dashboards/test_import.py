"""`dmp dashboards import` against a server that speaks Kibana's import as its source has it. It is no Kibana."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dashboards.kibana import ndjson
from tests.dashboards.saved_objects import problems
from tests.stacks import ENVIRONMENT

OBJECTS = len(ndjson().splitlines())
Json = dict[str, Any]


class Importer(ThreadingHTTPServer):
    """Keeps what was imported by type and id, and refuses as Kibana does.

    user: who may import, as the header `authorization`; None: anybody. newest: the version of dashboards that it knows.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.user: str | None = None
        self.newest = "10.2.0"
        self.objects: dict[tuple[str, str], Json] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, objects: list[Json], overwrite: bool) -> Json:
        errors = [error for each in objects for error in self._refusal(each, objects, overwrite)]
        if not errors:
            self.objects.update({(each["type"], each["id"]): each for each in objects})
        return {"success": not errors, "successCount": len(objects) - len(errors), "errors": errors}

    def _refusal(self, each: Json, objects: list[Json], overwrite: bool) -> Iterator[Json]:
        known = {*self.objects, *((other["type"], other["id"]) for other in objects)}
        missing = [r for r in each["references"] if r["type"] == "index-pattern" and (r["type"], r["id"]) not in known]
        name = {"type": each["type"], "id": each["id"]}
        if missing:
            yield {**name, "error": {"type": "missing_references", "references": missing}}
        elif (each["type"], each["id"]) in self.objects and not overwrite:
            yield {**name, "error": {"type": "conflict"}}
        elif each["type"] == "dashboard" and each["typeMigrationVersion"] != self.newest:
            message = f"Document belongs to a more recent version of Kibana [{each['typeMigrationVersion']}]."
            yield {**name, "error": {"type": "unknown", "message": message, "statusCode": 422}}


class Handler(BaseHTTPRequestHandler):
    server: Importer

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        content = self.rfile.read(int(self.headers["content-length"]))
        if path not in ("/api/saved_objects/_import", "/s/marketing/api/saved_objects/_import"):
            self._answer(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})
        elif self.server.user and self.headers.get("authorization") != self.server.user:
            self._answer(401, {"statusCode": 401, "error": "Unauthorized"})
        elif "kbn-xsrf" not in self.headers:
            self._answer(400, {"statusCode": 400, "message": "Request must contain a kbn-xsrf header."})
        else:
            head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
            (part,) = BytesParser().parsebytes(head + content).get_payload()  # type: ignore[misc]
            if part.get_param("name", header="content-disposition") != "file" or not part.get_filename().endswith(
                ".ndjson"
            ):
                self._answer(400, {"statusCode": 400, "message": "Invalid file extension"})
                return
            lines = part.get_payload(decode=True).decode().splitlines()
            self._answer(200, self.server.take([json.loads(line) for line in lines], query == "overwrite=true"))

    def _answer(self, status: int, body: Json) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def importer() -> Iterator[Importer]:
    with Importer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def dmp(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("DMP_")}
    command = [str(Path(sys.executable).with_name("dmp")), "dashboards", *arguments]
    return subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, timeout=60)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a user gets."""
    assert result.returncode == 2, result.stdout
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def test_import_can_be_repeated(importer: Importer) -> None:
    for _ in range(2):
        result = dmp("import", "--kibana", importer.url + "/")
        assert result.returncode == 0, result.stderr
        assert f"{OBJECTS} objects" in result.stdout
        assert f"{importer.url}/app/dashboards#/view/dmp-traffic" in result.stdout
    assert len(importer.objects) == OBJECTS


def test_import_into_a_space(importer: Importer) -> None:
    result = dmp("import", "--kibana", f"{importer.url}/s/marketing")
    assert result.returncode == 0, result.stderr
    assert f"{importer.url}/s/marketing/app/dashboards" in result.stdout


def test_import_by_api_key_and_by_password(importer: Importer, tmp_path: Path) -> None:
    importer.user = "ApiKey secret=="
    (tmp_path / "key").write_text("secret==\n", encoding="utf-8")
    assert dmp("import", "--kibana", importer.url, DMP_KIBANA_API_KEY="secret==").returncode == 0
    assert dmp("import", "--kibana", importer.url, DMP_KIBANA_API_KEY_FILE=str(tmp_path / "key")).returncode == 0
    importer.user = f"Basic {base64.b64encode(b'ann:pass word').decode()}"
    known = {"DMP_KIBANA_USER": "ann", "DMP_KIBANA_PASSWORD": "pass word"}
    assert dmp("import", "--kibana", importer.url, **known).returncode == 0


def test_who_may_not_import_is_told_how_and_no_secret_is_shown(importer: Importer) -> None:
    importer.user = "ApiKey another"
    assert "DMP_KIBANA_API_KEY" in refused(dmp("import", "--kibana", importer.url))
    error = refused(dmp("import", "--kibana", importer.url, DMP_KIBANA_API_KEY="s3cret"))
    assert "status 401" in error
    assert "s3cret" not in error
    assert "set both" in refused(dmp("import", "--kibana", importer.url, DMP_KIBANA_USER="ann"))


def test_an_error_in_an_answer_of_status_200_is_an_error(importer: Importer) -> None:
    importer.newest = "10.1.0"
    error = refused(dmp("import", "--kibana", importer.url))
    assert "dashboard dmp-traffic: Document belongs to a more recent version of Kibana [10.2.0]." in error
    assert "and 2 more" in error or "and 3 more" in error
    assert importer.objects == {}


def test_addresses_that_are_no_kibana(importer: Importer) -> None:
    assert "does not answer" in refused(dmp("import", "--kibana", "http://127.0.0.1:1"))
    assert "no address" in refused(dmp("import", "--kibana", "localhost:5601"))
    assert "Not Found" in refused(dmp("import", "--kibana", f"{importer.url}/kibana"))


def test_build_writes_what_import_sends(tmp_path: Path) -> None:
    file = tmp_path / "dmp.ndjson"
    assert dmp("build", "--out", str(file)).returncode == 0
    assert file.read_text(encoding="utf-8") == dmp("build").stdout == ndjson()
    assert problems(file.read_text(encoding="utf-8")) == []
    assert ".ndjson" in refused(dmp("build", "--out", str(tmp_path / "dmp.json")))
    assert "cannot write" in refused(dmp("build", "--out", str(tmp_path / "no" / "dmp.ndjson")))
