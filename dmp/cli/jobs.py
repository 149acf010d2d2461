"""`dmp submit`, `dmp stop`: the jobs on the cluster."""

from __future__ import annotations

import os

import click

from dmp.cli import config_path, pass_config
from dmp.config import Config

JOB_NAMES = (
    "all", "pipeline", "index", "segments", "recommend", "alerts", "archive", "vault", "clean", "identity", "metrics",
    "profiles",
)  # fmt: skip


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=click.Choice(JOB_NAMES))
@click.option("--fresh", is_flag=True, help="Start anew from the earliest event, not from the last savepoint.")
@click.option("--print", "print_only", is_flag=True, help="Only print the flink run line, to run it by hand.")
@pass_config
def submit(config: Config, jobs: tuple[str, ...], fresh: bool, print_only: bool) -> None:
    """Submit jobs to the cluster with one `flink run`.

    `all` is pipeline (clean to profiles in one), index, segments and alerts, those of them that do not run yet.
    """
    from dmp.jobs import ALL, Cluster, shell_line
    from dmp.secrets import require_vault_keys
    from schemas.setup import check

    if "vault" in jobs:
        require_vault_keys(os.environ)  # refused here, not in a worker
    cluster = Cluster(config, config_path())
    running = () if print_only else cluster.running()
    waiting = [name for name in ALL if name not in running]
    names = [name for job in jobs for name in (waiting if job == "all" else (job,))]
    if not names:
        click.echo("All jobs run already.")
        return
    if not print_only:
        cluster.refuse_conflicts(names, running)
        for name in names:
            check(config, name)
    states = cluster.states(names, fresh)
    command = cluster.command(states)
    click.echo(shell_line(command))
    if not print_only:
        for name, job_id in cluster.submit(states, command).items():
            click.echo(f"{name} runs: {cluster.rest}/#/job/{job_id}")


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=click.Choice(JOB_NAMES))
@pass_config
def stop(config: Config, jobs: tuple[str, ...]) -> None:
    """Stop jobs with savepoints, from which `dmp submit JOB` resumes."""
    from dmp.jobs import JOBS, Cluster

    cluster = Cluster(config)
    names = sorted(set(JOBS) & set(cluster.running())) if "all" in jobs else list(dict.fromkeys(jobs))
    for name, savepoint in cluster.stop(names):
        click.echo(f"{name} stopped, savepoint {savepoint}")
