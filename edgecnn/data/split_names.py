"""Names under which a folder of images is known to be the training, the validation or the test split."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from edgecnn.data.split_record import Split

__all__ = ["class_key", "matching_class", "split_of_name"]

_SPLIT_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_ENDINGS = re.compile(r"(?<=[a-z])[-_ .]?(?:set|data|dataset|images?|imgs|split|folder)$")


def split_of_name(name: str) -> Split | None:
    """The split that a folder of this name usually holds, in any case: ``Training``, ``valid``, ``test_set``."""
    plain = name.strip().casefold()
    return _SPLIT_NAMES.get(plain) or _SPLIT_NAMES.get(_ENDINGS.sub("", plain))


def class_key(name: str) -> str:
    """What two names of one class have in common, whatever program or file system wrote them.

    Unicode's canonical composition without white space around it: ``é`` as one character and as two (macOS) look alike.
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
