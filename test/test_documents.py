"""What the documents name is there: files, modules, commands, and one version in all places."""

import datetime
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = "framepred_ros|training|benchmarks|docs|config|launch|scripts|security|test"
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("framepred_ros/checkpoints/*/README.md")]
SOURCES = [path for top in ("framepred_ros", "training", "benchmarks") for path in (ROOT / top).rglob("*.py")]
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w)")
FILE = re.compile(r"`(\w+\.py)`")
PICTURE = re.compile(r"\]\(([^)#:]+)\)")
MODULE = re.compile(r"(?<![\w./-])((?:framepred_ros|training|benchmarks)(?:\.(?!md\b|yaml\b)[A-Za-z_]\w*)+)")
HISTORY = "## History"
"""From this heading on, docs/architecture.md names what has been."""


def text_of(path: Path) -> str:
    return path.read_text().partition(HISTORY)[0]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_documents_name_are_there(path):
    text = text_of(path)
    missing = [name for name in PATH.findall(text) if not re.search("[A-Z]{4}", name) and not (ROOT / name).exists()]
    missing += sorted(set(FILE.findall(text)) - {source.name for source in [*SOURCES, *ROOT.glob("*/*.py")]})
    missing += [name for name in PICTURE.findall(text) if not (path.parent / name).exists()]
    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_documents_name_are_there(path):
    assert not [name for name in MODULE.findall(text_of(path)) if not is_there(name)]


def test_modules_that_comments_name_are_there():
    missing = {}
    for path in SOURCES:
        for name in re.findall(r"`([\w.]+)(?:\(\))?`", path.read_text()):
            if MODULE.fullmatch(name) and not is_there(name):
                missing[str(path.relative_to(ROOT))] = name
    assert not missing


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or something that one defines; only sources are read."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:count])
        for file in (folder.with_suffix(".py"), folder / "__init__.py"):
            if file.exists():
                return count == len(parts) or bool(re.search(rf"\b{parts[count]}\b", file.read_text()))
    return False


def test_the_readme_leads_to_all_documents():
    readme = (ROOT / "README.md").read_text()
    assert not [str(path) for path in DOCUMENTS if path.name != "README.md" and path.name not in readme]


def test_one_version_in_all_places():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    here = manifest.findtext("version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", here)
    assert here not in (ROOT / "setup.py").read_text(), "setup.py reads it from package.xml"
    newest, date = re.search(r"^(\d+\.\d+\.\d+) \((.+)\)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.M).groups()
    assert newest == here
    datetime.date.fromisoformat(date)


def test_the_manifest_says_where_the_package_is_at_home():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert {url.get("type") for url in manifest.findall("url")} == {"website", "repository", "bugtracker"}
    assert "example" not in manifest.find("maintainer").get("email")


def test_pre_commit_runs_what_the_tests_run():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    script = (ROOT / "scripts" / "test.sh").read_text()
    for hook in hooks:
        assert hook["entry"].split()[0] in script
