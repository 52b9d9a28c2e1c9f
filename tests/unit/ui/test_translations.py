"""Every text with a number has its English forms, singular and plural."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import assets
from ui.application import _QML_ROOT

UI_ROOT = _QML_ROOT.parent


def plural_sources() -> set[str]:
    """Texts with ``%n`` in the code."""
    found: set[str] = set()
    for file in [*UI_ROOT.rglob("*.py"), *UI_ROOT.rglob("*.qml")]:
        for text in re.findall(r'"([^"\n]*%n[^"\n]*)"', file.read_text("utf-8")):
            found.add(text)
    return found


def test_every_plural_has_both_forms() -> None:
    tree = ElementTree.fromstring(assets.read("translations/covey_en.ts"))
    forms = {
        message.findtext("source"): [
            form.text or "" for form in message.iter("numerusform")
        ]
        for message in tree.iter("message")
    }
    sources = plural_sources()
    assert len(sources) > 8
    for source in sources:
        assert source in forms, source
        singular, plural = forms[source]
        assert singular == source.replace("(s)", "")
        assert plural == source.replace("(s)", "s")


def test_the_compiled_file_belongs_to_the_source() -> None:
    compiled = assets.read("translations/covey_en.qm")
    for source in plural_sources():
        assert (
            source.encode("utf-8") in compiled or source.encode("utf-16-be") in compiled
        ), source
