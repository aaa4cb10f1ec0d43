"""Which language a text is written in, as far as the text itself tells."""

import re
from collections.abc import Collection, Sequence
from importlib.metadata import version

from models.language.tags import ANY_LANGUAGE, Detected

try:
    import eldc
except ModuleNotFoundError:  # no wheels for this platform
    eldc = None

DETECTOR = f"eldc {version('eldc')}" if eldc else ""
"""What finds languages, name and version; empty = nothing does."""
MAX_CHARACTERS = 200
"""More of a text tells little more of its language."""
SURE_CHARACTERS = 10
"""Shorter ones overrule no tag: `promo code` is written everywhere, and 追跡番号 is Japanese as well as Chinese."""
_MASKS = re.compile(r"@user\b|\bhttp\b|<email>|<number>")
_ALIASES = {"id": "ms"}
"""Languages that eldc does not tell apart: it has Indonesian and Malay as one."""


class LanguageDetector:
    """Finds the language of texts; a pure function of the text. Any threads may share it.

    Two looks at each text, about 8 µs together: among all 60 languages of eldc, and among those that the model knows.
    Where eldc is not installed, no language is found.
    """

    def __init__(self, known: Collection[str]) -> None:
        """`known`: primary languages of the model; none = only the first look is taken."""
        if not eldc:
            return
        eldc.init()
        self._known = frozenset(known)
        self._names = {"und": ANY_LANGUAGE} | {_ALIASES[name]: name for name in known if name in _ALIASES}
        self._all = eldc.instance()
        self._few = eldc.instance()
        if codes := sorted({_ALIASES.get(name, name) for name in known} & set(eldc.LANGUAGES)):
            self._few.set_languages(codes)

    def detect(self, cleaned: Sequence[str]) -> list[Detected]:
        """The language of each text, cleaned as for the model.

        It is the likeliest of all if the model knows that one or the text speaks plainly for it, else the likeliest of
        those that the model knows. Sure, from 10 characters on, are both looks that agree, where the second is plain;
        and a language that the model does not know, where the first look is plain and the second is not.
        """
        if not eldc:
            return [Detected(ANY_LANGUAGE, False)] * len(cleaned)
        return [self._of(_MASKS.sub(" ", text)[:MAX_CHARACTERS]) for text in cleaned]

    def _of(self, text: str) -> Detected:
        first, second = self._all.detect_details(text), self._few.detect_details(text)
        wide, near = (self._names.get(look.language, look.language) for look in (first, second))
        enough = len(text.strip()) >= SURE_CHARACTERS
        if wide == near:
            return Detected(wide, enough and second.reliable)
        if wide in self._known or first.reliable:
            return Detected(wide, enough and first.reliable and not second.reliable)
        return Detected(near, False)
