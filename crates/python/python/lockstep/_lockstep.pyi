"""Types of the part of the package that is written in Rust."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol

__version__: str

class ArrowTable(Protocol):
    """A table that gives itself as an Arrow stream: of pandas (2.2 or newer), polars, pyarrow and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class LockstepError(Exception):
    """Why something cannot be done, in the words of the command line."""

class InputWarning(UserWarning):
    """Something in the posts, or in how they were read, may be a mistake."""

class Table:
    """A table of findings; whatever takes Arrow streams takes it as it is."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __len__(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def num_rows(self) -> int: ...
    def to_arrow(self) -> Any:
        """As a pyarrow table; needs pyarrow."""
    def to_pandas(self) -> Any:
        """As a pandas data frame; needs pandas and pyarrow."""
    def to_polars(self) -> Any:
        """As a polars data frame; needs polars."""

class Findings:
    """What was found in posts, and in what."""

    @property
    def clusters(self) -> Table:
        """Every group that was ever reported, in its last state: flagged first."""
    @property
    def near_misses(self) -> Table:
        """Groups that came close and did not pass the test, nearest to their bar first."""
    @property
    def accounts(self) -> Table:
        """Every account: those of flagged groups first, then by suspicion."""
    @property
    def ties(self) -> Table:
        """Pairs of accounts that have more in common than chance explains."""
    @property
    def objects(self) -> Table:
        """Links, texts, hashtags ... that two accounts or more used."""
    @property
    def rejected(self) -> Table:
        """Lines, rows and posts that could not be read, with the reason."""
    @property
    def summary(self) -> dict[str, Any]:
        """The numbers, as in summary.json."""
    @property
    def notices(self) -> list[str]:
        """What files and columns were taken for."""
    def explain(self, cluster_id: str) -> str:
        """The arithmetic behind a group, worked out again step by step."""
    def write(self, folder: str | PathLike[str]) -> None:
        """Writes what `lockstep detect` writes into a folder, but for the report."""

def detect(
    posts: ArrowTable | str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    # What detection goes by.
    config: str | PathLike[str] | None = None,
    on_progress: Callable[[Literal["reading", "detecting"], int, int | None], object] | None = None,
    models: str | PathLike[str] | None = None,
    model: str | None = None,
    lexicon: str | PathLike[str] | None = None,
    future_tolerance_s: int | None = None,
    shards: int | None = None,
    # How posts are read.
    dialect: str | None = None,
    account: str | None = None,
    platform: str | None = None,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    map: str | PathLike[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    make_ids: bool | None = None,
    time_format: str | None = None,
    timezone: str | None = None,
    na: Sequence[str] | None = None,
    encoding: str | None = None,
    sheet: str | int | None = None,
    memory_mib: int | None = None,
    # Parameters of the engine: keys of [detector.engine] in a configuration file.
    traces: str | Sequence[str] | None = None,
    alpha: float | None = None,
    naming_rate: float | None = None,
    tie_chance: float | None = None,
    safety: float | None = None,
    one_text_accounts: int | None = None,
    popular: int | None = None,
    retention_days: float | None = None,
    **parameters: Any,
) -> Findings:
    """Finds groups that act in lockstep in posts: a table, a path or a list of paths."""

def explain(cluster: str) -> str:
    """The arithmetic behind a cluster, worked out again from its line in clusters.jsonl, or the `json` of a row of Findings.clusters."""
