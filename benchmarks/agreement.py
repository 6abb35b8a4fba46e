"""Compare label maps of the fast step and of the plain one after the same iterations on real images.

Sums in another order move single pixels, and training amplifies that. So the plain step is also compared with itself on
another number of threads, whose sums have another order, too. `--float64` adds both steps in float64: where even these
end apart, no arithmetic brings two orders of summation together.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from _machine import RESULTS, print_table, write_results
from torch import Tensor

from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.images import read_image
from dynseg.parameters import TrainingParameters, reduced_size
from dynseg.training.images import image_tensor, reduce_image
from dynseg.training.loop import make_step, train
from dynseg.training.network import initial_network
from dynseg.training.prediction import label_map
from dynseg.training.weighting import SCHEMES, weight_of

# Of the plain step PyTorch's own threads share each sum, which they add up in another order.
SIDES = {
    "plain": ("plain", 1, torch.float32),
    "fast": ("fast", 1, torch.float32),
    "plain, 2 threads": ("plain", 2, torch.float32),
}
FLOAT64_SIDES = {
    "float64": ("plain", 1, torch.float64),
    "fast, float64": ("fast", 1, torch.float64),
}
COMPARED = (("fast", "plain"), ("plain, 2 threads", "plain"))
FLOAT64_COMPARED = (("fast", "float64"), ("plain", "float64"), ("fast, float64", "float64"))


def trained_label_map(
    image: Tensor, parameters: TrainingParameters, scheme: str, mu: float, threads: int, dtype: torch.dtype
) -> np.ndarray:
    """Return the label map (H, W) that a training ends with."""
    torch.set_num_threads(threads)
    network = initial_network(parameters.components, parameters.channels, seed=0).to(dtype)
    image = image.to(dtype)
    train(make_step(network, image, parameters), weight_of(scheme, mu), parameters)
    return label_map(network, image, parameters).numpy()


@click.command(help=__doc__)
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--images", default=5, show_default=True, help="How many of its images, evenly spread.")
@click.option("--iterations", default=50, show_default=True)
@click.option("--components", default=2, show_default=True)
@click.option("--scheme", default="fsf", show_default=True, type=click.Choice(list(SCHEMES)))
@click.option("--mu", default=15.0, show_default=True)
@click.option("--scale", default=1.0, show_default=True, help="Reduce the images by this factor first.")
@click.option("--float64", is_flag=True, help="Compare with both steps in float64, too.")
@click.option("--out", default=RESULTS / "agreement.json", show_default=True, type=click.Path(path_type=Path))
def command(
    dataset_dir: Path,
    images: int,
    iterations: int,
    components: int,
    scheme: str,
    mu: float,
    scale: float,
    float64: bool,
    out: Path,
) -> None:
    sides = SIDES | FLOAT64_SIDES if float64 else SIDES
    compared = COMPARED + FLOAT64_COMPARED if float64 else COMPARED
    ids = read_image_list(dataset_dir)
    rows: list[dict[str, Any]] = []
    count = min(images, len(ids))
    shares = [f"{one} = {other}" for one, other in compared]
    for index in range(count):
        image_id = ids[index * len(ids) // count]
        pixels = read_image(find_image(dataset_dir, image_id))
        image = reduce_image(image_tensor(pixels), reduced_size(pixels.shape[0], pixels.shape[1], scale))
        maps = {
            side: trained_label_map(
                image,
                TrainingParameters(components=components, iterations=iterations, stop="fixed", step=step),
                scheme,
                mu,
                threads,
                dtype,
            )
            for side, (step, threads, dtype) in sides.items()
        }
        rows.append(
            {
                "image": image_id,
                "size": f"{image.shape[2]}x{image.shape[1]}",
                **{f"{one} = {other}": float((maps[one] == maps[other]).mean()) for one, other in compared},
                **{f"labels, {side}": len(np.unique(maps[side])) for side in ("plain", "fast")},
            }
        )
        click.echo(f"{index + 1} of {count}: {image_id}", err=True)
    for name, summary in (("mean", np.mean), ("smallest", np.min)):
        summaries = {share: float(summary([row[share] for row in rows[:count]])) for share in shares}
        rows.append(dict.fromkeys(rows[0], "") | {"image": name} | summaries)
    print_table(rows)
    write_results(out, rows, iterations=iterations, M=components, scheme=scheme, mu=mu)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
