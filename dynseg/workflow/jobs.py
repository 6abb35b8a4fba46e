"""What the jobs read, write and ask for, where that depends on the images of prepared datasets."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from dynseg.datasets.reading import StoredImage, find_image, read_image_list, read_stored_images
from dynseg.workflow.batches import batches
from dynseg.workflow.cost import job_megabytes, job_minutes
from dynseg.workflow.datasets import TUNING_DATASET
from dynseg.workflow.layout import ResultsTree
from dynseg.workflow.methods import (
    DescribedMethod,
    describe_method,
    grid,
    images_per_job,
    method_of,
    method_parameters,
    method_scales,
    method_seeds,
    number_text,
    swept_parameters,
)
from dynseg.workflow.resolved import Config


class Jobs:
    """The jobs that a configuration makes of prepared datasets.

    Asked for every job, and there may be many thousands, so what is read of a dataset is kept until its list of images
    changes.

    Parameters
    ----------
    config : mapping
        Resolved.
    with_gpu : bool
        Whether methods that can use a GPU do.
    """

    def __init__(self, config: Config, with_gpu: bool) -> None:
        self.config = config
        self.results = ResultsTree(config["results"])
        self._with_gpu = with_gpu
        self._stored_since = cache(self._read_stored)
        self._images_per_job_since = cache(self._find_images_per_job)
        self._batches_since = cache(self._find_batches)
        self._described = cache(self._describe)

    def method(self, method: str) -> DescribedMethod:
        """Return what the jobs of a method need of the configuration."""
        return self._described(method)

    def uses_gpu(self, method: str) -> bool:
        """Tell whether a method uses a GPU here."""
        return self._with_gpu and self.method(method).uses_gpu

    def image_ids(self, dataset: str) -> list[str]:
        """Return the ids of a dataset's images, sorted."""
        return read_image_list(self.results.dataset(dataset).folder)

    def image_sizes(self, dataset: str) -> dict[str, tuple[int, int]]:
        """Return the height and width of a dataset's images in pixels, by their ids."""
        return {image_id: (image.height, image.width) for image_id, image in self._stored(dataset).items()}

    def images_per_job(self, dataset: str, method: str) -> int:
        """Return how many images a job of a method takes on a dataset."""
        return self._images_per_job_since(self._changed(dataset), dataset, method)

    def batches(self, dataset: str, method: str) -> dict[str, list[str]]:
        """Return the batches of a dataset that a method's jobs take: ids of images by name."""
        return self._batches_since(self._changed(dataset), dataset, self.images_per_job(dataset, method))

    def label_maps(self, dataset: str, method: str, seed: int | str, holding: list[str] | None = None) -> list[str]:
        """Return the label map files of a run; of those that hold some images, where they are named."""
        return [
            str(self.results.batch(dataset, method, seed, name))
            for name, images in self.batches(dataset, method).items()
            if holding is None or not set(holding).isdisjoint(images)
        ]

    def images(self, dataset: str, method: str, batch: str) -> list[str]:
        """Return the ids of the images that a job segments.

        The job of a short run takes one, whatever the batches are.
        """
        return self.batches(dataset, method).get(batch, [batch])

    def image_files(self, dataset: str, method: str, batch: str) -> list[Path]:
        """Return the files of the images that a job segments."""
        folder = self.results.dataset(dataset).folder
        return [find_image(folder, image_id) for image_id in self.images(dataset, method, batch)]

    def image_contents(self, dataset: str, method: str, batch: str) -> str:
        """Return a digest of the images that a job segments: one that was replaced by an older file counts as new."""
        stored = self._stored(dataset)
        contents = [stored[image_id].content for image_id in self.images(dataset, method, batch)]
        return hashlib.sha256("".join(contents).encode()).hexdigest()[:12]

    def minutes(self, dataset: str, method: str, batch: str, attempt: int, iterations: int | None = None) -> int:
        """Return the minutes that a segmentation job asks a cluster for; with `iterations`, that of a short run."""
        return self._estimated(job_minutes, dataset, method, batch, attempt, iterations)

    def megabytes(self, dataset: str, method: str, batch: str, attempt: int) -> int:
        """Return the memory that a segmentation job asks a cluster for, in MB."""
        return self._estimated(job_megabytes, dataset, method, batch, attempt)

    def device(self, method: str, gpus: int) -> str:
        """Return the configured device; the CPU where a method uses no GPU, or would and the job is given none."""
        on_cpu = not self.method(method).uses_gpu or (self.uses_gpu(method) and gpus == 0)
        return "cpu" if on_cpu else str(self.config["device"])

    def scoring_minutes(self, dataset: str, attempt: int, runs: int = 1) -> int:
        """Return the minutes that scoring runs on a dataset asks a cluster for; the least before it is prepared."""
        is_prepared = self.results.dataset(dataset).image_list.exists()
        images = len(self.image_ids(dataset)) if is_prepared else 0
        return attempt * (10 + images * runs // 10)

    def shown_label_maps(self) -> list[str]:
        """Return the label map files that the report shows: of every dataset and method, with the first seed."""
        return [
            file
            for dataset in self.config["datasets"]
            for method in self.config["methods"]
            for file in self.label_maps(dataset, method, method_seeds(self.config, method)[0])
        ]

    def grid_label_maps(self, grid_id: str) -> list[str]:
        """Return the label map files of every point of a grid."""
        seed = self.config["seeds"][0]
        points = grid(self.config, grid_id)
        return [file for point, _ in points for file in self.label_maps(TUNING_DATASET, point, seed)]

    def grid_options(self, grid_id: str) -> list[str]:
        """Return the options of `dynseg tune` that name the points of a grid, the folders of their label maps, and the
        batches that these were made in."""
        names = swept_parameters(self.config, grid_id)
        points = grid(self.config, grid_id)
        runs = [
            f"--run={','.join(f'{name}={number_text(entry[name])}' for name in names)}:"
            f"{self.results.label_maps(TUNING_DATASET, point, self.config['seeds'][0])}"
            for point, entry in points
        ]
        return [*runs, f"--images-per-job={self.images_per_job(TUNING_DATASET, points[0][0])}"]

    def _estimated(
        self,
        estimate: Callable[..., int],
        dataset: str,
        method: str,
        batch: str,
        attempt: int,
        iterations: int | None = None,
    ) -> int:
        stored = self._stored(dataset)
        sizes = [(stored[each].height, stored[each].width) for each in self.images(dataset, method, batch)]
        parameters = self.method(method).parameters
        if iterations is None:
            # Each value of the scores over scales is a run of its own.
            sizes *= 1 + sum(map(len, method_scales(self.config, method).values()))
        else:
            parameters = method_parameters(self.config, method, iterations=iterations)
        of_method = method_of(self.config, method)
        return estimate(of_method, parameters, sizes, self.config["threads"], self.uses_gpu(method), attempt)

    def _stored(self, dataset: str) -> dict[str, StoredImage]:
        return self._stored_since(self._changed(dataset), dataset)

    def _changed(self, dataset: str) -> int:
        return self.results.dataset(dataset).image_list.stat().st_mtime_ns

    def _read_stored(self, changed: int, dataset: str) -> dict[str, StoredImage]:
        return read_stored_images(self.results.dataset(dataset).folder)

    def _find_images_per_job(self, changed: int, dataset: str, method: str) -> int:
        return images_per_job(self.config, method, self.image_sizes(dataset).values())

    def _find_batches(self, changed: int, dataset: str, count: int) -> dict[str, list[str]]:
        return batches(self.image_ids(dataset), count)

    def _describe(self, method: str) -> DescribedMethod:
        return describe_method(self.config, method)
