"""`dmp replay`: the pipeline over files, without Kafka or Elasticsearch."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from dmp.cli import config_path, pass_config
from dmp.cli.events import Moment
from dmp.config import Config

FILES = click.Path(exists=True, dir_okay=False, path_type=Path)
SHOWN_CHANGES = 10
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--events", required=True, multiple=True, type=FILES, help="Events as JSON lines; may be repeated.")
@click.option("--commands", multiple=True, type=FILES, help="Commands as JSON lines; may be repeated.")
@click.option("--out", required=True, type=FOLDER, help="Folder for the results, JSON lines.")
@click.option(
    "--mode",
    type=click.Choice(["batch", "streaming"]),
    default="batch",
    show_default=True,
    help="How to run; the results are the same, streaming also tells the moves of identifiers.",
)
@click.option("--parallelism", type=click.IntRange(1, 128), help="Subtasks [default: flink.parallelism]")
@click.option("--at", type=Moment(), help="When segments are judged, RFC 3339 [default: time of the last event]")
@click.option("--recommend", is_flag=True, help="Also write related_items.jsonl and recommendations.jsonl.")
@click.option(
    "--config", "own_config", type=click.Path(dir_okay=False, path_type=Path), help="Configuration with other rules."
)
@click.option(
    "--diff",
    "earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Show which persons differ from the replay in this folder.",
)
@pass_config
def replay(
    config: Config,
    events: tuple[Path, ...],
    commands: tuple[Path, ...],
    out: Path,
    mode: str,
    parallelism: Optional[int],
    at: Optional[int],
    recommend: bool,
    own_config: Optional[Path],
    earlier: Optional[Path],
) -> None:
    """Clean, stitch, count, profile and segment the events of files, and write the final results."""
    from dmp.config import load_config
    from dmp.errors import UserError
    from dmp.replay import Replay, run

    if earlier and earlier.resolve() == out.resolve():
        raise UserError("--diff and --out are the same folder: give the new results one of their own")
    if own_config:
        config = load_config(own_config)
    at_ms = None if at is None else at // 1000
    arguments = Replay(events, commands, out, mode, parallelism or config.flink.parallelism, at_ms, recommend)
    counts = run(arguments, config, own_config or config_path())
    for name, count in counts.items():
        click.echo(f"{out / name}.jsonl: {count:,}")
    if earlier:
        _show_diff(earlier, out)


def _show_diff(earlier: Path, out: Path) -> None:
    from collections import Counter

    from dmp.core.persons import KINDS
    from dmp.replay import diff

    found = diff(earlier, out)
    counts = Counter(change.kind for change in found)
    told = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind])
    click.echo(f"persons against {earlier}: {told or 'no difference'}")
    for change in sorted(found, key=lambda change: -change.identifiers)[:SHOWN_CHANGES]:
        before, after = (" + ".join(side) or "nobody" for side in (change.before, change.after))
        click.echo(f"  {change.kind}: {before} -> {after}, {change.identifiers} identifiers")
    if found:
        click.echo(f"all of them: {out / 'diff.jsonl'}")
