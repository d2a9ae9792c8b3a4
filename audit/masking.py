"""Takes what has the form of a secret out of a line of text before anybody can search for it. Pure Python.

It is a judgement by form: a password that looks like a word is not seen. The recording keeps the exact bytes.
"""

import re
from collections.abc import Callable, Iterable

REDACTED = "[redacted]"

MAX_PATTERNS = 100
"""Of one organization."""

MAX_PATTERN = 200
"""Characters of one."""

MIN_PATTERN = 4
"""Characters of one besides its star: a shorter one would hide half of every transcript."""

# Every repetition is of one class of characters and ends where another class begins, so that no text takes long.
_TOKENS = re.compile(
    r"\b(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access keys
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}"  # GitHub, GitLab
    r"|xox[abeprs]-[\w-]{10,}|(?:sk|rk)_(?:live|test)_\w{10,}|sk-[\w-]{20,}"  # Slack, Stripe, AI providers
    r"|AIza[\w-]{35}|npm_\w{30,}|pypi-[\w-]{30,}|hvs\.[\w-]{20,}"  # Google, npm, PyPI, Vault
    r"|pht_[\w-]{8,}"  # the portal's own
    r"|eyJ[\w-]{8,}\.[\w-]*\.?[\w-]*"  # JSON Web Tokens
    r")"
)
_VALUES = re.compile(
    r"(?P<kept>(?i:bearer|basic) +(?=[\w.~+/=-]{12})|://[^\s/:@]{0,200}:(?=[^\s/@]{1,200}@)"
    r"|(?i:passwd|password|passphrase|secret|token|api_?-?key|access_?-?key|private_?-?key)[\w-]{0,40}[\"']?"
    r" ?[=:] ?[\"']?(?=[^\s\"']))"
    r"(?P<hidden>[^\s\"'@]+)"
)
_KEY_BODY = re.compile(r"(?=[^\s]*[G-Zg-z])(?=[^\s]*[0-9+/])[A-Za-z0-9+/]{40,}={0,2}\Z")
"""A line of a private key in PEM form: base64 alone. A hash in hexadecimal is none."""

Mask = Callable[[str], str]


class PatternError(ValueError):
    """A pattern that cannot be used; the text says why."""


def split_patterns(text: str) -> list[str]:
    """The patterns that stand in `text`, one a line. Raises `PatternError`."""
    patterns = [line.strip() for line in text.splitlines() if line.strip()]
    if len(patterns) > MAX_PATTERNS:
        raise PatternError(f"There are {len(patterns)} patterns; at most {MAX_PATTERNS} are possible.")
    for pattern in patterns:
        if pattern.count("*") > 1:
            raise PatternError(f'"{pattern[:40]}" has more than one star. Use one, for the rest of a word.')
        if not MIN_PATTERN <= len(pattern.replace("*", "")) <= MAX_PATTERN:
            raise PatternError(f'"{pattern[:40]}" needs {MIN_PATTERN} to {MAX_PATTERN} characters besides its star.')
    return patterns


def masker(patterns: Iterable[str] = ()) -> Mask:
    """What hides secrets in a line: those of well-known forms, and what fits `patterns` of an organization, in which
    one star stands for any characters but spaces."""
    own = [re.escape(pattern).replace(r"\*", r"\S*") for pattern in patterns]
    theirs = re.compile("|".join(own), re.IGNORECASE) if own else None

    def mask(line: str) -> str:
        if theirs is not None:
            line = theirs.sub(REDACTED, line)
        if _KEY_BODY.match(line.strip()):
            return REDACTED
        return _VALUES.sub(rf"\g<kept>{REDACTED}", _TOKENS.sub(REDACTED, line))

    return mask
