"""Where everything lies in a results tree and among the resources: the only place where these paths are spelt.

Every argument may be a wildcard of Snakemake in braces instead of an id.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from dynseg.datasets.layout import PreparedDataset

# Ids of methods, datasets and figures, which are parts of paths.
ID_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


_OF_SCALES = "_scales"


@dataclass(frozen=True)
class ResultsTree:
    """The paths of a results tree.

    Attributes
    ----------
    folder : path
        The workflow's `results`.
    """

    folder: Path | str

    @property
    def datasets(self) -> Path:
        """The folder of the prepared datasets."""
        return Path(self.folder) / "datasets"

    def dataset(self, dataset: str) -> PreparedDataset:
        """Return the paths of a prepared dataset."""
        return PreparedDataset(self.datasets / dataset)

    def methods(self, dataset: str) -> Path:
        """Return the folder of the label maps of all methods on a dataset."""
        return Path(self.folder) / "label_maps" / dataset

    def label_maps(self, dataset: str, method: str, seed: int | str) -> Path:
        """Return the folder of the label map files of one method on one dataset with one seed."""
        return self.methods(dataset) / method / f"seed{seed}"

    def seeds(self, dataset: str, method: str) -> list[int]:
        """Return the seeds that label maps of a method on a dataset are there of, sorted."""
        names = (file.parent.name for file in (self.methods(dataset) / method).glob("*/*.h5"))
        return sorted({int(match[1]) for name in names if (match := re.fullmatch(r"seed(\d+)", name))})

    def batch(self, dataset: str, method: str, seed: int | str, batch: str) -> Path:
        """Return the label map file of a batch."""
        return batch_file(self.label_maps(dataset, method, seed), batch)

    def short_run(self, dataset: str, method: str, seed: int | str, iteration: int | str, batch: str) -> Path:
        """Return the label map file of a batch after fewer iterations."""
        run = Path(self.folder) / "short_runs" / dataset / method / f"seed{seed}" / f"iteration{iteration}"
        return batch_file(run, batch)

    def scores(self, dataset: str, method: str, seed: int | str) -> Path:
        """Return the score table of one method on one dataset with one seed."""
        return Path(self.folder) / "scores" / dataset / method / f"seed{seed}.csv"

    def scale_scores(self, dataset: str, method: str, seed: int | str) -> Path:
        """Return the score tables over scales of one method on one dataset with one seed."""
        scores = self.scores(dataset, method, seed)
        return scores.with_stem(f"{scores.stem}{_OF_SCALES}")

    @staticmethod
    def is_of_scales(path: Path | str) -> bool:
        """Tell whether a path is of score tables over scales."""
        return Path(path).stem.endswith(_OF_SCALES)

    @staticmethod
    def scored(path: Path | str) -> tuple[str, str]:
        """Return the ids of the dataset and the method that a score table is of, by its path.

        Examples
        --------
        >>> ResultsTree.scored(ResultsTree("results").scores("bsd500", "fsf-15", 0))
        ('bsd500', 'fsf-15')
        """
        dataset, method = Path(path).absolute().parts[-3:-1]
        return dataset, method

    @property
    def tables(self) -> Path:
        """The folder of the tables."""
        return Path(self.folder) / "tables"

    def table(self, extension: str) -> Path:
        """Return the table of all scores in one format (csv, md or tex)."""
        return self.tables / f"table1.{extension}"

    @property
    def differences(self) -> Path:
        """The table of the differences between methods."""
        return self.tables / "differences.csv"

    def tuned(self, grid: str, extension: str) -> Path:
        """Return the scores of a grid's points (csv) or their figure (png, pdf)."""
        return Path(self.folder) / "tuning" / f"{grid}.{extension}"

    def tuned_scales(self, grid: str) -> Path:
        """Return the table of a grid's ODS, OIS and Best."""
        return Path(self.folder) / "tuning" / f"{grid}_scales.csv"

    @property
    def figures(self) -> Path:
        """The folder of the figures, with a folder for each kind."""
        return Path(self.folder) / "figures"

    def figure(self, kind: str, figure: str, extension: str) -> Path:
        """Return a figure of one kind (a section of the config) in one format (png or pdf)."""
        return self.figures / kind / f"{figure}.{extension}"

    @property
    def report(self) -> Path:
        """The report."""
        return Path(self.folder) / "report.html"

    @property
    def config(self) -> Path:
        """What the config says that decides the results."""
        return Path(self.folder) / "config.json"

    def log(self, *parts: str) -> Path:
        """Return the log of a job, named by its rule and what tells it from the rule's other jobs."""
        return (Path(self.folder) / "logs").joinpath(*parts[:-1], f"{parts[-1]}.log")

    @property
    def benchmarks(self) -> Path:
        """The folder of Snakemake's measurements, with a folder for each rule."""
        return Path(self.folder) / "benchmarks"

    def benchmark(self, *parts: str) -> Path:
        """Return Snakemake's measurements of a job, named as its log is."""
        return self.benchmarks.joinpath(*parts[:-1], f"{parts[-1]}.tsv")


@dataclass(frozen=True)
class ResourcesTree:
    """The paths of what is downloaded or made before it is prepared.

    Attributes
    ----------
    folder : path
        The workflow's `resources`.
    """

    folder: Path | str

    def official(self, kind: str) -> Path:
        """Return the official archive of a kind of dataset."""
        return Path(self.folder) / "official" / f"{kind}.archive"

    def given(self, dataset: str) -> Path:
        """Return the archive that was downloaded from the address that a dataset's entry gives."""
        return Path(self.folder) / f"{dataset}.archive"

    def made(self, dataset: str, made_as: str) -> Path:
        """Return the archive or folder that dynseg makes for a dataset (see `dynseg.datasets.Kind.made_as`)."""
        return Path(self.folder) / f"{dataset}.{made_as}"


def batch_file(run: Path | str, batch: str) -> Path:
    """Return the label map file of a batch in the folder of its run."""
    return Path(run) / f"{batch}.h5"
