"""One HTML file in which a slider walks through the hierarchies of one or several images."""

import base64
import io
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from dynseg.viewer.data import HierarchyData, webp_data

_THUMBNAIL_SIDE = 112
_THUMBNAIL_QUALITY = 60


def hierarchy_page(images: Sequence[HierarchyData], title: str = "Segmentation hierarchies") -> str:
    """Return a page that needs nothing else: no network, no other file.

    Parameters
    ----------
    images : sequence of HierarchyData
        What `hierarchy_data` returns, in the order of the page. For many large images give that a smaller
        `longest_side`: one of 1000 pixels takes about 0.3 MB.
    title : str
        Heading of a page of several images; one of a single image is headed by the image's own title.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not images:
        raise ValueError("a page needs at least one image")
    return (
        templates("viewer")
        .get_template("page.html")
        .render(
            title=title if len(images) > 1 else images[0]["title"],
            style=Markup(base_style() + _resource("page.css") + fragment_style()),
            fragment_script=Markup(fragment_script()),
            page_script=Markup(_resource("page.js")),
            index=[{"title": image["title"], "thumbnail": _thumbnail(image)} for image in images],
            images=images,
        )
    )


def templates(room: str) -> jinja2.Environment:
    """Return the templates of a sub-package; the filter `script_json` is `script_json`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dynseg", room),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    return environment


def base_style() -> str:
    """Return the style sheet of any page of ours: its colours, light and dark, as variables, and its font."""
    return _resource("base.css")


def fragment_script() -> str:
    """Return the JavaScript that defines `dynsegHierarchy(element, data, settings)`, to stand in a script element.

    It shows `data`, a `HierarchyData`, in `element`, in place of what is there. `settings` may be left out; an object
    that is given for several images keeps the chosen view and opacity from one to the next.
    """
    return _resource("hierarchy.js")


def fragment_style() -> str:
    """Return the style sheet of `dynsegHierarchy`; it takes the page's colours from the variables of `base_style`."""
    return _resource("hierarchy.css")


def script_json(value: Any) -> Markup:
    """Return JSON that can stand inside a script element, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _thumbnail(image: HierarchyData) -> str:
    with Image.open(io.BytesIO(base64.b64decode(image["picture"]))) as picture:
        picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        return webp_data(picture, _THUMBNAIL_QUALITY)


def _resource(name: str) -> str:
    return files("dynseg.viewer").joinpath(name).read_text(encoding="utf-8")
