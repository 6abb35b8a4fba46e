"""Compare label maps of the fast step and of the plain one after the same iterations on real images.

Float32 sums in another order move single pixels, and training amplifies that. So the plain step is also compared with
itself on another number of threads, and both with the plain step in float64: differences of that size are those of
float32 arithmetic, not the fast step's.
"""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from _machine import RESULTS, print_table, write_results
from torch import Tensor

from dynseg.images import read_image
from dynseg.network import initial_network
from dynseg.parameters import TrainingParameters
from dynseg.prepared import find_image, read_image_list
from dynseg.segmentation import image_tensor, reduce_image
from dynseg.training import make_step, train
from dynseg.weighting import SCHEMES

# Of the plain step PyTorch's own threads share each sum, which they add up in another order.
SIDES = {
    "plain": ("plain", 1, torch.float32),
    "fast": ("fast", 1, torch.float32),
    "plain, 2 threads": ("plain", 2, torch.float32),
    "float64": ("plain", 2, torch.float64),
}
COMPARED = (("fast", "plain"), ("plain, 2 threads", "plain"), ("fast", "float64"), ("plain", "float64"))


def label_map(
    image: Tensor, parameters: TrainingParameters, scheme: str, mu: float, threads: int, dtype: torch.dtype
) -> np.ndarray:
    """Return the label map (H, W) that a training ends with."""
    torch.set_num_threads(threads)
    network = initial_network(parameters.components, parameters.channels, seed=0).to(dtype)
    step = make_step(network, image.to(dtype), parameters)
    train(step, partial(SCHEMES[scheme], mu=mu), parameters)
    return step.predict().numpy()


@click.command(help=__doc__)
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--images", default=5, show_default=True, help="How many of its images, evenly spread.")
@click.option("--iterations", default=50, show_default=True)
@click.option("--components", default=2, show_default=True)
@click.option("--scheme", default="fsf", show_default=True, type=click.Choice(list(SCHEMES)))
@click.option("--mu", default=15.0, show_default=True)
@click.option("--scale", default=1.0, show_default=True, help="Reduce the images by this factor first.")
@click.option("--out", default=RESULTS / "agreement.json", show_default=True, type=click.Path(path_type=Path))
def command(
    dataset_dir: Path, images: int, iterations: int, components: int, scheme: str, mu: float, scale: float, out: Path
) -> None:
    ids = read_image_list(dataset_dir)
    rows: list[dict[str, Any]] = []
    for index in range(min(images, len(ids))):
        image_id = ids[index * len(ids) // images]
        image = reduce_image(image_tensor(read_image(find_image(dataset_dir, image_id))), scale)
        maps = {
            side: label_map(
                image,
                TrainingParameters(components=components, iterations=iterations, stop="fixed", step=step),
                scheme,
                mu,
                threads,
                dtype,
            )
            for side, (step, threads, dtype) in SIDES.items()
        }
        rows.append(
            {
                "image": image_id,
                "size": f"{image.shape[2]}x{image.shape[1]}",
                **{f"{one} = {other}": float((maps[one] == maps[other]).mean()) for one, other in COMPARED},
                **{f"labels, {side}": len(np.unique(maps[side])) for side in ("plain", "fast")},
            }
        )
        click.echo(f"{index + 1} of {min(images, len(ids))}: {image_id}", err=True)
    print_table(rows)
    write_results(out, rows, iterations=iterations, M=components, scheme=scheme, mu=mu)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
