"""Names under which a folder of images is known to be the training, the validation or the test split."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from edgecnn.data.split_record import Split

__all__ = ["class_key", "matching_class", "split_of_name", "splits_of_names"]

_SPLIT_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
}
_DIGITS = re.compile(r"\d+")
_ENDINGS = re.compile(r"(?<=[a-z])[-_ .]?(?:set|data|dataset|images?|imgs|split|folder)$")


def split_of_name(name: str) -> Split | None:
    """The split that a folder of this name usually holds, in any case: ``Training``, ``valid``, ``test_set``."""
    plain = name.strip().casefold()
    return _SPLIT_NAMES.get(plain) or _SPLIT_NAMES.get(_ENDINGS.sub("", plain))


def splits_of_names(names: Iterable[str]) -> dict[str, Split]:
    """The splits among folders side by side, by name.

    Where none has such a name, those that have one word, or number, in common beside it: ``seg_train`` and
    ``seg_test``, ``01_train`` and ``02_val``.
    """
    every = list(names)
    if found := {name: split for name in every if (split := split_of_name(name))}:
        return found
    by_words: dict[tuple[str, str], dict[str, Split]] = defaultdict(dict)
    for name in every:
        plain = name.strip().casefold()
        for cut in re.finditer(r"[-_ .]", plain):
            before, after = plain[: cut.start()], plain[cut.end() :]
            if split := split_of_name(after):
                by_words[_DIGITS.sub("", before), ""][name] = split
            elif split := split_of_name(before):
                by_words["", _DIGITS.sub("", after)][name] = split
    together = [group for group in by_words.values() if "train" in group.values() and len({*group.values()}) > 1]
    return together[0] if len(together) == 1 else {}


def class_key(name: str) -> str:
    """What two names of one class have in common, whatever program or file system wrote them.

    Unicode's canonical composition without white space around it: ``é`` as one character and as two (macOS) are one.
    """
    composed = unicodedata.normalize("NFC", name)
    return composed.strip() or composed


def matching_class(name: str, classes: Iterable[str]) -> str | None:
    """The class that a folder's name means: the same name, or the only one that differs in upper and lower case.

    None where there is none, or several.
    """
    known = list(classes)
    if name in known:
        return name
    for form in (class_key, _without_case):
        found = [c for c in known if form(c) == form(name)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _without_case(name: str) -> str:
    return class_key(name).casefold()
