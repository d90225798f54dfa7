"""Types of the part of the package that is written in Rust."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol

__version__: str

class ArrowTable(Protocol):
    """A table with the Arrow stream interface: of pandas (2.2 or newer), polars, pyarrow and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class LockstepError(Exception):
    """An error, with the text of the command line."""

class InputWarning(UserWarning):
    """A possible mistake in the posts or in how they were read."""

class Table:
    """A table of findings. Everything that reads Arrow streams accepts it."""

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
    """The findings of a run, with counts of the posts that were read."""

    @property
    def clusters(self) -> Table:
        """Every group that was ever reported, in its last state; flagged groups first."""
    @property
    def near_misses(self) -> Table:
        """Groups that came close but did not pass the test, nearest to their threshold first."""
    @property
    def accounts(self) -> Table:
        """Every account: accounts of flagged groups first, then by suspicion."""
    @property
    def ties(self) -> Table:
        """Pairs of accounts that share more than chance explains, strongest first."""
    @property
    def objects(self) -> Table:
        """Links, texts, hashtags and other objects that at least two accounts used, and the groups in whose evidence they are."""
    @property
    def rejected(self) -> Table:
        """Lines, rows and posts that could not be read, with the reason."""
    @property
    def summary(self) -> dict[str, Any]:
        """The numbers, as in summary.json."""
    @property
    def notices(self) -> list[str]:
        """How files and columns were interpreted."""
    def explain(self, cluster_id: str) -> str:
        """The arithmetic behind a group, computed again step by step."""
    def write(self, folder: str | PathLike[str]) -> None:
        """Writes the files of `lockstep detect` to a folder, except the report."""

def detect(
    posts: ArrowTable | str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    # Settings of detection.
    config: str | PathLike[str] | None = None,
    on_progress: Callable[[Literal["reading", "detecting"], int, int | None], object] | None = None,
    models: str | PathLike[str] | None = None,
    model: str | None = None,
    lexicon: str | PathLike[str] | None = None,
    future_tolerance_s: int | None = None,
    threads: int | None = None,
    # Settings of reading posts.
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
    """Finds groups that act in lockstep. `posts` is a table, a path or a list of paths."""

def explain(cluster: str) -> str:
    """The arithmetic behind a cluster, computed again from its line of clusters.jsonl, or from the `json` of a row of Findings.clusters."""
