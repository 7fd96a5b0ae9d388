"""Every file of the project that the documents name or link to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *sorted(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),  # tells of the past
    ROOT / "NOTICE",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.rglob("sdlab/**/README.md")),
]
TOPS = "sdlab|dashboard|pages|tests|benchmarks|docs|tools"
NAMED = re.compile(rf"(?<![\w/.<-])((?:{TOPS})/[\w./*-]*\w(?:\.\w+)?/?)")
LINKED = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document):
    text = document.read_text(encoding="utf-8")
    links = [link for link in LINKED.findall(text) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    prose = LINKED.sub("](", text)
    missing += [name for name in NAMED.findall(prose) if not any(ROOT.glob(name.rstrip("/")))]
    assert not missing


def test_the_manual_is_linked_from_both_tables_of_contents():
    pages = {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"}
    for contents in (ROOT / "README.md", ROOT / "docs/README.md"):
        linked = {Path(link).name for link in LINKED.findall(contents.read_text(encoding="utf-8"))}
        assert pages <= linked, contents


def test_the_architecture_page_draws_every_room():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    library, dashboard = re.findall(r"```\n(.*?)```", text, re.DOTALL)[:2]
    for drawn, top in ((library, "sdlab"), (dashboard, "dashboard")):
        names = {line.split()[0].split("/")[0] for line in drawn.splitlines()}
        rooms = {path.parent.name for path in ROOT.glob(f"{top}/*/__init__.py")}
        assert rooms <= names, rooms - names
        assert names - rooms <= {"ground", "pages", "dashboard"}
