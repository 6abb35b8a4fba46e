"""Write the test images of BSD500 and their annotations into one small file, for `gpu.py` on another machine.

Pictures stay the JPEG files that they are; annotations are compressed. The file is for your own use: what it holds is
under the terms of the archive.
"""

import tempfile
from pathlib import Path

import click
import h5py
import numpy as np
from _machine import RESULTS

from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.preparing import prepare
from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import read_segments

ARCHIVE = "BSR_bsds500.tgz"
LARGEST_BYTES = 40_000_000


def pack(dataset: Path, output: Path, images: int | None = None) -> int:
    """Write a prepared dataset, or the first images of it, to one file; return its size in bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    ground_truth = PreparedDataset(dataset).ground_truth
    with written_aside(output) as aside, h5py.File(aside, "w") as file:
        for image_id in read_image_list(dataset)[:images]:
            group = file.create_group(image_id)
            picture = np.frombuffer(find_image(dataset, image_id).read_bytes(), np.uint8)
            group.create_dataset("picture", data=picture)
            segments = read_segments(ground_truth, image_id)
            group.create_dataset("segments", data=segments, compression="gzip", compression_opts=9, shuffle=True)
    return output.stat().st_size


@click.command(help=__doc__)
@click.option(
    "--archives",
    envvar="DYNSEG_ARCHIVES",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"The folder with {ARCHIVE}.  [default: what DYNSEG_ARCHIVES names]",
)
@click.option(
    "--dataset-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A prepared dataset, in place of the archive.",
)
@click.option("--images", type=click.IntRange(1), help="Only so many.")
@click.option("--out", default=RESULTS / "bsd500_test.h5", show_default=True, type=click.Path(path_type=Path))
def command(archives: Path | None, dataset_dir: Path | None, images: int | None, out: Path) -> None:
    if dataset_dir is None:
        if archives is None:
            raise click.UsageError(f"set DYNSEG_ARCHIVES to the folder with {ARCHIVE}, or give --dataset-dir")
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / "bsd500"
            prepare("bsd500", archives / ARCHIVE, prepared, "bsd500", split="test")
            size = pack(prepared, out, images)
    else:
        size = pack(dataset_dir, out, images)
    click.echo(f"{out}: {size / 1e6:.1f} MB")
    if size >= LARGEST_BYTES:
        raise click.ClickException(f"it is larger than {LARGEST_BYTES / 1e6:.0f} MB: give fewer --images")


if __name__ == "__main__":
    command()
