"""`dynseg fit`: one network for many images."""

import logging
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click

from dynseg.cli._options import Verbosity, verbosity_options
from dynseg.cli._training_options import (
    MASK_HELP,
    IterationBar,
    all_threads,
    network_options,
    reading_options,
    reading_texts,
    running_options,
    training_changes,
)
from dynseg.devices import limited_threads, resolve_device
from dynseg.errors import UserError, warnings_said

PATH = click.Path(path_type=Path)
_logger = logging.getLogger("dynseg")


@click.command()
@click.argument("references", nargs=-1, required=True, type=PATH, metavar="PHOTO_OR_FOLDER...")
@click.option("-o", "--output", required=True, type=PATH, help="The model to write, usually named .pt.")
@network_options
@running_options
@reading_options
@click.option("--mask", type=PATH, help=MASK_HELP)
@verbosity_options
def command(
    references: tuple[Path, ...],
    output: Path,
    scheme: str,
    mu: float | None,
    preset: str,
    iterations: int | None,
    max_labels: int | None,
    min_labels: int | None,
    max_size: int | None,
    seed: int,
    device: str,
    threads: int | None,
    channels: str | None,
    value_range: str | None,
    plane: str | None,
    nodata: str | None,
    mask: Path | None,
    verbosity: Verbosity | None,
) -> None:
    """Train one network on reference images together, for `dynseg segment --model`.

    Other images are then labelled with no further training, so a label means the same in all of them: what suits
    frames of a film, or many photographs of one kind of thing. References should show what the others show.

    \b
    Example:
      dynseg fit first.jpg last.jpg -o film.pt
      dynseg segment frames/ -o out --model film.pt
    """
    from dynseg.io.files import check_writable
    from dynseg.io.images import Reading
    from dynseg.own_images.plan import find_images
    from dynseg.own_images.validity import find_masks, read_masked

    read_as = reading_texts(channels, value_range, plane, nodata)
    found, problems = find_images(references, [mask] if mask else [])
    if problems:
        raise UserError(problems[0])
    if output.resolve() in found:
        raise UserError(f"{output} is one of the references: give the model another name")
    names = {source: relative.with_suffix("") for source, relative in found.values()}
    with warnings_said(partial(click.echo, err=True)):
        masks = find_masks(mask, names) if mask else {}
    check_writable(output)
    from dynseg.api import DEFAULT_MAX_SIZE, fit, user_parameters
    from dynseg.model import save_model
    from dynseg.own_images.cutting import listed

    changes = training_changes(iterations, max_labels, min_labels)
    parameters = user_parameters(scheme, mu, preset, **changes)
    bar = IterationBar(1, parameters.iterations, verbosity == "quiet")
    saying = warnings_said(partial(bar.say, err=True), verbosity == "verbose")
    with limited_threads(threads or all_threads()), closing(bar), saying:
        images, counting, reading = [], [], Reading.from_texts(**read_as)
        for source, _ in found.values():
            picture = read_masked(reading, source, masks.get(source), mask is not None)
            images.append(picture.pixels)
            counting.append(picture.valid)
        _logger.info("training: %s", listed(asdict(parameters)))
        model = fit(
            images,
            scheme,
            mu,
            preset=preset,
            seed=seed,
            device=resolve_device(device),
            max_size=max_size or DEFAULT_MAX_SIZE,
            mask=counting,
            on_iteration=bar,
            **changes,
        )
        # Also where nothing is said of the range: what isn't there was not given.
        said = {"range": "auto"} | read_as
        model = replace(model, facts=model.facts | {f"--{name}": text for name, text in said.items()})
        _logger.info("%s: %s", output, listed(model.facts))
    save_model(model, output)
    if verbosity == "quiet":
        return
    count = int(model.history["label_count"][-1])
    click.echo(
        f"{len(found)} reference image{'s' if len(found) > 1 else ''}: {count} labels after "
        f"{model.facts['iterations_run']} iterations -> {output}"
    )
