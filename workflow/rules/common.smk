import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

REPOSITORY = Path(str(workflow.current_basedir)).parents[1]

# Rules call `python -m dynseg` with the Python that runs Snakemake, also when its environment isn't activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
sys.path.insert(0, str(REPOSITORY))

from dynseg import configuration
from dynseg.batches import batch_images, batch_names
from dynseg.code_version import code_version
from dynseg.devices import gpu_is_visible
from dynseg.errors import UserError
from dynseg.prepared import find_image, read_image_list

try:
    config = configuration.resolve(
        configuration.layer(config, workflow.config_settings.overwrite_config),
        configuration.load_schema(REPOSITORY / "workflow/schemas/config.schema.yaml"),
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = config["results"]
RESOURCES = config["resources"]
ENVIRONMENT = str(REPOSITORY / "envs/dynseg.yaml")

# Every path is spelt here once.
DATASET = f"{RESULTS}/datasets/{{dataset}}"
IMAGE_LIST = f"{DATASET}/images.txt"
GROUND_TRUTH = f"{DATASET}/ground_truth.h5"
LABEL_MAPS = f"{RESULTS}/segments/{{dataset}}/{{method}}/seed{{seed}}/{{batch}}.h5"
SCORES = f"{RESULTS}/scores/{{dataset}}/{{method}}/seed{{seed}}.csv"
TABLES = expand(f"{RESULTS}/tables/table1.{{format}}", format=["csv", "md", "tex"])
PANEL = f"{RESULTS}/figures/panels/{{panel}}.{{format}}"
LOGS = f"{RESULTS}/logs"


wildcard_constraints:
    dataset=configuration.ID_PATTERN,
    method=configuration.ID_PATTERN,
    panel=configuration.ID_PATTERN,
    seed=r"\d+",
    batch=r"[^/]+",
    format="png|pdf",


def image_ids(dataset):
    """The ids of a dataset's images, once it is prepared."""
    checkpoints.prepare_dataset.get(dataset=dataset)
    return read_image_list(DATASET.format(dataset=dataset))


def label_maps(dataset, method, seed):
    """The label map files of a run."""
    batches = batch_names(image_ids(dataset), config["images_per_job"])
    return expand(LABEL_MAPS, dataset=dataset, method=method, seed=seed, batch=batches)
