"""Every link between the repository's documents leads somewhere."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "config", REPOSITORY / "benchmarks")
DOCUMENTS = sorted(path for folder in FOLDERS for path in folder.glob("*.md"))
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    """Return the names that a document's headings are linked by."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link
