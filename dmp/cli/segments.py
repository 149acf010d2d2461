"""`dmp segments`: rules of audiences, and models of clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from dmp.core.clusters import Model, Numbers

FILE = click.Path(dir_okay=False, path_type=Path)
ELASTICSEARCH = "elasticsearch"


class Clusters(click.ParamType):
    """A number of clusters, or `auto`, which is None."""

    name = "K|auto"

    def convert(self, value: str, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Optional[int]:
        if value != "auto" and not (value.isdigit() and 2 <= int(value) <= 100):
            self.fail(f"{value!r} is neither a number from 2 to 100 nor auto", param, ctx)
        return None if value == "auto" else int(value)


@click.group()
def segments() -> None:
    """Audiences: check rules; train, publish and use models of clusters."""


@segments.command()
@click.argument("file", type=FILE, required=False)
@click.option("--sql", "show_sql", is_flag=True, help="Show the conditions as Flink gets them.")
@pass_config
@click.pass_context
def check(ctx: click.Context, config: Config, file: Optional[Path], show_sql: bool) -> None:
    """Check a file of rules (default: the one configured): one line for each problem, exit status 2 if there is any."""
    from dmp.core.segments import RulesError, read_rules
    from dmp.segments import SHIPPED, read_text

    path = file or config.segments.rules
    try:
        rules = read_rules(read_text(path))
    except RulesError as error:
        for problem in error.problems:
            click.echo(f"{path or SHIPPED}: {problem}", err=True)
        ctx.exit(2)
    for segment in rules.segments:
        purpose = f" ({segment.purpose})" if segment.purpose else ""
        click.echo(f"{segment.name}{purpose}: {segment.condition if show_sql else segment.description}")


@segments.command()
@click.option("--from", "source", required=True, metavar="elasticsearch|FILE.csv", help="Where the people are.")
@click.option("--clusters", type=Clusters(), default="3", show_default=True, help="How many; auto: by silhouette.")
@click.option("--features", help="Columns to use, with commas between [default: see docs/segments.md].")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="The same seed, the same model.")
@click.option("--out", required=True, type=FILE, help="The model file, JSON.")
@click.option("--picture", type=FILE, help="The picture, PNG [default: beside the model file].")
@pass_config
def train(
    config: Config, source: str, clusters: Optional[int], features: Optional[str], seed: int, out: Path,
    picture: Optional[Path],
) -> None:  # fmt: skip
    """Train a model that puts people into clusters: StandardScaler, PCA to two components, KMeans."""
    from dmp.core.clusters import DEFAULT_FEATURES
    from dmp.training import draw
    from dmp.training import train as fit

    names = tuple(name.strip() for name in features.split(",")) if features else DEFAULT_FEATURES
    rows = _rows(config, source, names)
    model = fit(rows, names, clusters, seed, source)
    try:
        out.write_text(model.to_json(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file") from None
    picture = picture or out.with_suffix(".png")
    draw(model, rows, picture)
    _show(model)
    click.echo(f"model {out}, picture {picture}; 'dmp segments publish {out}' lets the job use it")


def _rows(config: Config, source: str, names: tuple[str, ...]) -> Numbers:
    from connectors.users import UserFile, profile_rows

    if source != ELASTICSEARCH:
        return UserFile(Path(source)).rows(names)
    from connectors.elasticsearch import session
    from dmp.core.clusters import FEATURES

    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise UserError(f"profiles have no feature {', '.join(unknown)}; known: {', '.join(FEATURES)}")
    with session(config.elasticsearch) as client:
        return profile_rows(client, names)


def _show(model: Model) -> None:
    from rich.console import Console
    from rich.table import Table

    details, console = model.details, Console(highlight=False)
    first, second = details["explained_variance"]
    console.print(
        f"{details['rows']:,} persons in {len(model.centres)} clusters, model {model.version}\n"
        f"silhouette {details['silhouette']:.3f}; explained variance {first:.1%} + {second:.1%} = {first + second:.1%}",
        soft_wrap=True,
    )
    if len(details["silhouettes_tried"]) > 1:
        tried = ", ".join(f"{count}: {quality:.3f}" for count, quality in details["silhouettes_tried"].items())
        console.print(f"silhouette by number of clusters: {tried}", soft_wrap=True)
    table = Table(title="Centres in original units", title_justify="left")
    table.add_column("cluster")
    for number in range(len(model.centres)):
        table.add_column(str(number), justify="right")
    table.add_row("persons", *(f"{size:,}" for size in details["sizes"]), end_section=True)
    for name, values in zip(model.features, model.original_centres().T):
        table.add_row(name, *(f"{value:,.4g}" for value in values))
    console.print(table)


@segments.command()
@click.option("--model", "model_file", required=True, type=FILE, help="What `dmp segments train` wrote.")
@click.option("--in", "source", required=True, type=FILE, help="Users with the columns that the model needs, CSV.")
@click.option("--out", required=True, type=FILE, help="The same users with a column `cluster`, CSV.")
def score(model_file: Path, source: Path, out: Path) -> None:
    """Put the users of a CSV file into the clusters of a model."""
    from connectors.users import score_file

    model = _load(model_file)
    click.echo(f"{out}: {score_file(model, source, out):,} users scored by model {model.version}")


@segments.command()
@click.argument("model_file", metavar="MODEL", type=FILE)
@pass_config
def publish(config: Config, model_file: Path) -> None:
    """Let the running job `segments` use a model: it scores everyone anew, and goes on with what it knows."""
    from connectors.models import publish as send
    from dmp.core.clusters import FEATURES
    from schemas.topics import CLUSTER_MODELS

    model = _load(model_file)
    unknown = [name for name in model.features if name not in FEATURES]
    if unknown:
        raise UserError(f"{model_file} is for CSV files only: profiles do not have {', '.join(unknown)}")
    send(config.kafka, CLUSTER_MODELS.name, model)
    click.echo(f"model {model.version} published; dmp-clusters tells who is in which cluster")


def _load(path: Path) -> Model:
    from dmp.core.clusters import read_model

    try:
        return read_model(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the model {path}: {error.strerror}") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} {error}: train it with 'dmp segments train'") from None
