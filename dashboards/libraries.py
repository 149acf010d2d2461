"""The JavaScript that charts need: Vega, Vega-Lite and Vega-Embed, as one script out of the vl-convert package."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from dmp.files import write_whole


def vega_script(cache: Path) -> str:
    """The script, which defines `vega`, `vegaLite` and `vegaEmbed`.

    Putting it together takes seconds, so it is kept in the folder `cache`, one file for each version of the package.
    """
    import vl_convert

    file = cache / f"vega-{version('vl-convert-python')}.js"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, vl_convert.javascript_bundle())
    return file.read_text(encoding="utf-8")
