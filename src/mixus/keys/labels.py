"""What people write on a key: one line of visible text that cannot hide, forge or leak anything."""

import unicodedata

from mixus.core.errors import Invalid
from mixus.keys import tokens

LONGEST_NAME = 80
LONGEST_TEXT = 500

# Control characters forge log lines and mail headers, lone surrogates cannot be stored, and marks of
# writing direction show a text that is not there.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_REFUSED_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


# Letters by their category that show nothing.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def clean_name(text: str) -> str:
    name = clean_text("name", text, LONGEST_NAME)
    seen = set(name) - _BLANK
    if not any(unicodedata.category(character)[0] in "LNPS" for character in seen):
        raise Invalid("A key needs a name that can be seen; say what it is for.", field="name")
    return name


def clean_text(field: str, text: str, longest: int = LONGEST_TEXT) -> str:
    """Stripped and in NFC. Lengths count characters, not bytes."""
    cleaned = unicodedata.normalize("NFC", text.strip())
    if len(cleaned) > longest:
        raise Invalid(f"The {field} has {len(cleaned)} characters; {longest} are allowed.", field=field)
    if any(_is_refused(character) for character in cleaned):
        raise Invalid(
            f"The {field} has a control character or a mark of writing direction; remove it.", field=field
        )
    if tokens.contains_key(cleaned):
        raise Invalid(
            f"The {field} contains a key, which is a secret; revoke that key and choose other words.",
            field=field,
        )
    return cleaned


def _is_refused(character: str) -> bool:
    return (
        unicodedata.category(character) in _REFUSED_CATEGORIES
        or unicodedata.bidirectional(character) in _REFUSED_DIRECTIONS
    )
