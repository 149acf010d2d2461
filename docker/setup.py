"""The one-shot service `setup`: topics, templates, Kibana's password and dashboards, jobs. Safe to run again."""

from __future__ import annotations

import os
import subprocess

from connectors.elasticsearch import session
from dmp.config import load_config
from dmp.secrets import read_secret
from schemas.setup import apply


def main() -> None:
    config = load_config()
    apply(config)
    kibana_password = read_secret(os.environ, "KIBANA_PASSWORD")
    if kibana_password:
        with session(config.elasticsearch) as client:
            client.security.change_password(username="kibana_system", password=kibana_password.decode())
    subprocess.run(["dmp", "submit", "all"], check=True)


if __name__ == "__main__":
    main()
