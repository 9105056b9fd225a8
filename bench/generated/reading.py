"""From a prompt to the meanings of its words."""

import re
from typing import NamedTuple

from bench.data.streets.style import Palette
from bench.generated.colours import COLOURS
from bench.generated.words import MEANINGS, Meaning

VOCABULARY: dict[str, Meaning] = {phrase: meaning for meaning in MEANINGS for phrase in meaning.words.split(", ")}
LONGEST = max(len(phrase.split()) for phrase in VOCABULARY)
REACH = 4  # words: how far a colour looks ahead for what it is the colour of


class Reading(NamedTuple):
    """What a prompt says."""

    known: list[str]  # the words and phrases of the table found in it, as the table has them
    meanings: list[Meaning]  # each once, in the order of the table
    colours: Palette  # of materials whose colour the prompt names


def read(prompt: str) -> Reading:
    """Find the known words of a prompt, the longest phrase first. Case, punctuation and hyphens do not matter."""
    tokens = re.findall(r"[^\W\d_]+", prompt.lower())
    known: list[str] = []
    meanings: list[Meaning] = []
    colours: Palette = {}
    waiting: list[str] = []  # colours that wait for their thing
    since, at = 0, 0
    while at < len(tokens):
        phrase, length = _longest(tokens, at)
        at += length
        if phrase in VOCABULARY:
            meaning = VOCABULARY[phrase]
            known.append(phrase)
            meanings.append(meaning)
            if meaning.made_of and waiting:
                colours |= {material: tuple(COLOURS[c] for c in waiting) for material in meaning.made_of}
                waiting = []
        elif phrase in COLOURS:
            known.append(phrase)
            waiting.append(phrase)
            since = at
        if waiting and at - since >= REACH:
            waiting = []
    return Reading(known, [meaning for meaning in MEANINGS if meaning in meanings], colours)


def _longest(tokens: list[str], at: int) -> tuple[str, int]:
    """The longest phrase of the tables that starts at a token, else that token; and how many tokens it takes."""
    for length in range(min(LONGEST, len(tokens) - at), 0, -1):
        *first, last = tokens[at : at + length]
        for form in _singulars(last):
            phrase = " ".join((*first, form))
            if phrase in VOCABULARY or phrase in COLOURS:
                return phrase, length
    return tokens[at], 1


def _singulars(word: str) -> list[str]:
    """The word itself, and what it may be the plural of."""
    forms = [word]
    for ending, single in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            forms.append(word.removesuffix(ending) + single)
    if word == "children":
        forms.append("child")
    return forms
