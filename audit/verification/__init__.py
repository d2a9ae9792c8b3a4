"""Checks the record against itself, against signed heads and against the files of recordings. Reads in flat memory.

Every check says what is wrong as plain sentences that name the place.
"""

from audit.verification.chains import ChainName, chains_of, check_chain
from audit.verification.findings import Finding, Progress, Result
from audit.verification.recordings import check_recordings
from audit.verification.signatures import check_heads, heads_of_file, stored_heads, trusted_keys

__all__ = [
    "ChainName",
    "Finding",
    "Progress",
    "Result",
    "chains_of",
    "check_chain",
    "check_heads",
    "check_recordings",
    "heads_of_file",
    "stored_heads",
    "trusted_keys",
]
