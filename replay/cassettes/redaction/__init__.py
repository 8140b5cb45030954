"""
Redaction: what must never reach a recording is replaced before anything is kept or keyed.

`secrets` knows what a secret looks like, and what it is called; `packing` takes the text out of a
body; `views`, `leaves` and `deltas` read in it what is encoded, nested or scattered; `detection`
finds the secrets there; `redactor` replaces them.
"""

from replay.cassettes.redaction.redactor import DEFAULTS, Redactor, Unredacted

__all__ = ["DEFAULTS", "Redactor", "Unredacted"]
