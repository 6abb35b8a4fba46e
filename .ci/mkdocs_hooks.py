"""What the site has beyond docs/: the README as its first page, other Markdown files of the repository, the API.

Links in the files are those of the repository, so that they work where it is browsed; here they become the site's.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
# By path in the repository, where on the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CITATION.cff": "CITATION.cff",
    "config/README.md": "config/README.md",
    "benchmarks/README.md": "benchmarks/README.md",
}
ON_SITE = {site: repository for repository, site in PAGES.items()}
# The stable names (docs/api.md), from their docstrings.
REFERENCE = (
    "dynseg.api",
    "dynseg.model",
    "dynseg.result",
    "dynseg.errors",
    "dynseg.metrics",
    "dynseg.methods",
    "dynseg.parameters",
)
LINK = re.compile(r"(?<=\]\()(?!https?://|#|mailto:)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that lie outside docs/, and the page of the API."""
    for source, site in PAGES.items():
        files.append(File.generated(config, site, abs_src_path=str(REPOSITORY / source)))
    text = "# Reference\n\n" + "\n\n".join(f"::: {module}" for module in REFERENCE)
    files.append(File.generated(config, "reference.md", content=text + "\n"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page's links, which are those of the repository, into the site's."""
    site = page.file.src_uri
    folder = posixpath.dirname(ON_SITE.get(site, f"docs/{site}"))

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        on_site = PAGES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(on_site, posixpath.dirname(site) or ".")

    return LINK.sub(link, markdown)
