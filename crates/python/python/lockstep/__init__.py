"""Finds groups of social-media accounts that act in lockstep, says how sure it is and why.

>>> import lockstep
>>> findings = lockstep.detect("posts.jsonl")        # or a table of pandas, polars or pyarrow   # doctest: +SKIP
>>> findings.clusters.to_pandas()                    # doctest: +SKIP
"""

from lockstep._lockstep import (
    Findings,
    InputWarning,
    LockstepError,
    Table,
    __version__,
    detect,
    explain,
)

__all__ = [
    "Findings",
    "InputWarning",
    "LockstepError",
    "Table",
    "__version__",
    "detect",
    "explain",
]
