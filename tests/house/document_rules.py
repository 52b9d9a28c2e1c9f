"""What documents, the changelog, the locks and the text of every file must hold."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from tests.house.tree import PROJECT_NAMES, Tree

TEXT_SUFFIXES = (
    *(".py", ".md", ".txt", ".toml", ".in", ".json", ".qml", ".js", ".cjs", ".mjs"),
    *(".sh", ".yml", ".yaml", ".spec", ".svg", ".npmrc", "Makefile", ".ci/run"),
)

# The pieces are joined here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = "|".join(
    (
        *("py" + r"pi\.(org|python)", "python" + "hosted", "npm" + r"js\.(org|com)"),
        *(r"yarn" + r"pkg\.com", r"deb\." + r"debian\.org", "crates" + r"\.io"),
    )
)
FORBIDDEN: dict[str, re.Pattern[str]] = {
    "names a package registry's host": re.compile(REGISTRY_HOSTS, re.IGNORECASE),
    "names a path of one machine": re.compile(
        r"(?<![\w.])/(wo" + r"rk|ro" + r"ot|home/\w+|opt)/(?!\.)\w"
    ),
    "leaves work for later": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|HA" + r"CK)\b"),
    "is left from a merge": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(
    rf"(?<![\w/.-])(?:{'|'.join((*PROJECT_NAMES, 'docs', '[.]ci'))})/[\w./*-]*"
)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def check_forbidden_text(tree: Tree) -> list[str]:
    """Finds words that no tracked text may hold."""
    found = []
    for name in tree.files:
        if not name.endswith(TEXT_SUFFIXES):
            continue
        text = tree.text(name)
        for reason, pattern in FORBIDDEN.items():
            for match in pattern.finditer(text):
                place = f"{name}:{_line(text, match.start())}"
                found.append(f"{place}: {match[0]!r} {reason}")
    return found


def documents(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yields every Markdown file with its text."""
    for name in tree.files:
        if name.endswith(".md"):
            yield name, tree.text(name)


def check_document_references(tree: Tree) -> list[str]:
    """Finds links and paths in documents that lead nowhere."""
    found = []
    for name, text in documents(tree):
        folder = name.rpartition("/")[0]
        for match in LINK.finditer(text):
            target = match[1].partition("#")[0]
            if not target or "://" in target or target.startswith("mailto:"):
                continue
            if not tree.exists(_normal(folder, target)):
                line = _line(text, match.start())
                found.append(f"{name}:{line}: links to {target}, which is not there")
        for match in CODE.finditer(text):
            for path in PATH.findall(match[1]):
                if not _leads_somewhere(tree, path.rstrip(".")):
                    line = _line(text, match.start())
                    found.append(f"{name}:{line}: names {path}, which is not there")
    return found


def _normal(folder: str, target: str) -> str:
    parts = folder.split("/") if folder else []
    for part in target.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _leads_somewhere(tree: Tree, path: str) -> bool:
    if "*" in path:
        pattern = re.compile(re.escape(path).replace(r"\*", "[^/]*"))
        return any(pattern.fullmatch(name) for name in tree.files)
    return any(tree.exists(name) for name in (path.rstrip("/"), f"{path}.py"))


def version_of(tree: Tree) -> str:
    """Returns the version that pyproject.toml names."""
    project = tomllib.loads(tree.text("pyproject.toml"))["project"]
    return str(project["version"])


def check_changelog(tree: Tree) -> list[str]:
    """Compares the changelog's newest release with the project's version."""
    text = tree.text("CHANGELOG.md")
    headings = re.findall(r"^## (\S+)", text, re.MULTILINE)
    if not headings:
        return ["CHANGELOG.md: has no section"]
    found = []
    if headings[0] != "Unreleased" and headings[0] != version_of(tree):
        found.append(f"CHANGELOG.md: starts with {headings[0]}, not {version_of(tree)}")
    released = [tuple(map(int, h.split("."))) for h in headings if h != "Unreleased"]
    if released != sorted(released, reverse=True):
        found.append("CHANGELOG.md: the newest release must come first")
    ours = tuple(map(int, version_of(tree).split(".")))
    if released and ours < released[0]:
        found.append("CHANGELOG.md: names a release newer than pyproject.toml")
    return found


def canonical(requirement: str) -> str:
    """Returns the bare name of a requirement as indexes compare it."""
    name = re.split(r"[\s<>=!~;\[]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, str]:
    """Returns a lock's names and exact versions."""
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE)
    return {canonical(name): version for name, version in lines}


def check_locks(tree: Tree) -> list[str]:
    """Finds locks that lack a dependency or a hash, disagree, or name an address."""
    project = tomllib.loads(tree.text("pyproject.toml"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    extras = project["project"].get("optional-dependencies", {})
    texts = {
        name.rpartition("/")[2].removesuffix(".txt"): tree.text(name)
        for name in tree.files
        if re.fullmatch(r"packaging/locks/\w+\.txt", name)
    }
    found = []
    if "run" not in texts:
        return ["packaging/locks/run.txt: is missing"]
    run = locked(texts["run"])
    for name, text in texts.items():
        path = f"packaging/locks/{name}.txt"
        versions = locked(text)
        names = {canonical(item) for item in [*wanted, *extras.get(name, [])]}
        found += [f"{path}: lacks {item}" for item in sorted(names - set(versions))]
        found += [
            f"{path}: {item} differs from packaging/locks/run.txt"
            for item in sorted(run)
            if versions.get(item) != run[item]
        ]
        if "://" in text or "--index" in text or "--find-links" in text:
            found.append(f"{path}: holds an address")
        found += _unhashed(path, text)
    return found


def _unhashed(path: str, text: str) -> list[str]:
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return [
        f"{path}: {block.split()[0]} has no hash"
        for block in blocks
        if re.match(r"[A-Za-z0-9]", block) and "--hash=sha256:" not in block
    ]


def check_entry_points(tree: Tree) -> list[str]:
    """Finds make targets that are gone, and a CI that runs something else."""
    targets = set(re.findall(r"^([a-z-]+):", tree.text("Makefile"), re.MULTILINE))
    wanted = {"venv", "run", "demo", "test", "lint", "bench", "natlab", "soak"}
    missing = sorted((wanted | {"package"}) - targets)
    found = [f"Makefile: has no target {name}" for name in missing]
    script = tree.root / ".ci/run"
    if not script.exists():
        return [*found, ".ci/run: is missing"]
    if not script.stat().st_mode & 0o100:
        found.append(".ci/run: is not executable")
    if not re.search(r"\bmake test\b", script.read_text(encoding="utf-8")):
        found.append(".ci/run: does not run make test")
    return found
