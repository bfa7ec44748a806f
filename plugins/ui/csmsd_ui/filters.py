"""The filter language of the lists: `status:Faulted -action:Heartbeat`, and words to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a filter."""

    field: str  # "" for a word to look for
    value: str
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and what the filter is without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody looks for."""

    terms: Sequence[Term]
    unknown: Sequence[str]
    words: Sequence[str]

    def values(self, field: str) -> list[str]:
        """What is wanted of a field; nothing: anything."""
        return [term.value for term in self.terms if term.field == field and not term.is_negated]

    def value(self, field: str) -> str | None:
        """The last one of them."""
        found = self.values(field)
        return found[-1] if found else None

    def excluded(self, field: str) -> list[str]:
        """What is not wanted of it."""
        return [term.value for term in self.terms if term.field == field and term.is_negated]

    def finds(self, *texts: str) -> bool:
        """Whether every word is in one of the texts, in any case, and no excluded one is."""
        folded = [text.casefold() for text in texts]
        for term in self.terms:
            if not term.field and any(term.value.casefold() in text for text in folded) is term.is_negated:
                return False
        return True

    def removable(self) -> list[Word]:
        """Each word with the filter that is left when it is taken out."""
        return [
            Word(word, " ".join(each for index, each in enumerate(self.words) if index != number))
            for number, word in enumerate(self.words)
        ]


def parse(text: str, fields: Sequence[str]) -> Filter:
    """A filter; a word with a colon whose field nobody knows is reported, and looked for as it stands."""
    words = text[:500].split()
    terms: list[Term] = []
    unknown: list[str] = []
    for word in words:
        is_negated = word.startswith("-") and len(word) > 1
        field, colon, value = (word[1:] if is_negated else word).partition(":")
        if colon and field in fields and value:
            terms.append(Term(field, value, is_negated))
            continue
        if colon and field.isalpha() and field.islower():
            unknown.append(word)
        terms.append(Term("", word[1:] if is_negated else word, is_negated))
    return Filter(terms, unknown, words)
