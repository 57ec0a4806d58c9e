"""The words of the visitor's pages that are not a notice's: a file of them for each language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webmon.domain.handling import InfoClass
from webmon.domain.language import ENGLISH, LANGUAGES, Language
from webmon.domain.retention import DurationWords

FOLDER = Path(__file__).resolve().parents[2] / "data" / "portal"


@dataclass(frozen=True, slots=True)
class Words:
    language: Language
    durations: DurationWords
    texts: Mapping[str, str]
    classes: Mapping[InfoClass, str]


def read_words(language: Language) -> Words:
    loaded = json.loads((FOLDER / f"{language.tag}.json").read_text("utf-8"))
    return Words(
        language,
        DurationWords(language.tag, **loaded["durations"]),
        loaded["texts"],
        {kind: loaded["classes"][kind.value] for kind in InfoClass},
    )


WORDS = {tag: read_words(language) for tag, language in LANGUAGES.items()}
EN = WORDS[ENGLISH]
