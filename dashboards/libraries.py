"""The JavaScript that charts need: Vega, Vega-Lite and Vega-Embed, as one script out of the vl-convert package."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path


def vega_script(cache: Path) -> str:
    """The script, which defines `vega`, `vegaLite` and `vegaEmbed`.

    Putting it together takes seconds, so it is kept in the folder `cache`, one file for each version of the package.
    """
    import vl_convert

    file = cache / f"vega-{version('vl-convert-python')}.js"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(vl_convert.javascript_bundle(), encoding="utf-8")
        partial.replace(file)
    return file.read_text(encoding="utf-8")
