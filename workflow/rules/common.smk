import os
import shlex
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

# A checkout brings its package along; rules that another workflow takes from an address need it installed.
REPOSITORY = Path(str(workflow.current_basedir)).parents[1]

if (REPOSITORY / "dynseg").is_dir():
    sys.path.insert(0, str(REPOSITORY))
elif find_spec("dynseg") is None:
    raise WorkflowError(
        "the Python package dynseg is missing: install it with pip beside Snakemake, or take the module from a checkout"
    )

from dynseg.workflow import configuration, cost, plan
from dynseg.workflow.batches import batches
from dynseg.code_version import code_version
from dynseg.devices import gpu_is_visible
from dynseg.workflow.environment import offer_package
from dynseg.workflow.failures import repeat_at_exit
from dynseg.errors import UserError
from dynseg.io.locks import claim_folder
from dynseg.datasets.reading import find_image, read_image_list, read_image_sizes

PACKAGE_FOLDER = offer_package(REPOSITORY if (REPOSITORY / "dynseg").is_dir() else None)
# Snakemake takes PYTHONPATH away from jobs in conda environments.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    shell.prefix(
        f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PACKAGE_FOLDER))}; "
    )


# With --software-deployment-method apptainer jobs run in this image, built from envs/dynseg.def.
container: os.environ.get("DYNSEG_IMAGE", "dynseg.sif")


# A module has the config that its `config:` gives; what the command line says is meant for the workflow around it.
IS_MODULE = workflow.modifier.skip_configfile


def calm_scheduler():
    """Keep Snakemake from looking at every waiting job, and at all its inputs, again and again.

    Its limit of jobs a second schedules a look a second after each look, and every job that ends starts another such
    chain (issue 3955): after a hundred jobs it takes a processor. No option turns it off, so only the limit that holds
    where nothing is said, 100 a second, is taken away.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


try:
    config = configuration.resolve(
        configuration.layer(
            config, {} if IS_MODULE else workflow.config_settings.overwrite_config
        ),
        configuration.load_schema(
            workflow.source_path("../schemas/config.schema.yaml")
        ),
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

METHODS = plan.every_method(config)
DATASETS = plan.every_dataset(config)
RESULTS = config["results"]
RESOURCES = config["resources"]
# Relative to the folder of the rules.
ENVIRONMENT = "../../envs/dynseg.yaml"

# Every path is spelt here once.
OFFICIAL_ARCHIVE = f"{RESOURCES}/official/{{kind}}.archive"
GIVEN_ARCHIVE = f"{RESOURCES}/{{dataset}}.archive"
MOSAIC_ARCHIVE = f"{RESOURCES}/{{dataset}}.mosaic.tgz"
PHOTOGRAPHS = f"{RESOURCES}/{{dataset}}.photographs"
DATASET = f"{RESULTS}/datasets/{{dataset}}"
IMAGE_LIST = f"{DATASET}/images.txt"
IMAGE_SIZES = f"{DATASET}/sizes.csv"
GROUND_TRUTH = f"{DATASET}/ground_truth.h5"
RUN = f"{RESULTS}/segments/{{dataset}}/{{method}}/seed{{seed}}"
LABEL_MAPS = f"{RUN}/{{batch}}.h5"
SCORES = f"{RESULTS}/scores/{{dataset}}/{{method}}/seed{{seed}}.csv"
TABLES = f"{RESULTS}/tables"
TABLE = f"{TABLES}/table1.{{format}}"
DIFFERENCES = f"{TABLES}/differences.csv"
TUNED = f"{RESULTS}/tuning/{{grid}}.{{format}}"
SCALES = f"{RESULTS}/tuning/{{grid}}_scales.csv"
REPORT = f"{RESULTS}/report.html"
RECORDED_CONFIG = f"{RESULTS}/config.json"
FIGURE = {
    section: f"{RESULTS}/figures/{section}/{{figure}}.{{format}}"
    for section in plan.FIGURE_SECTIONS
}
SHORT_RUN = f"{RESULTS}/short_runs/{{dataset}}/{{method}}/seed{{seed}}/iteration{{iteration}}/{{batch}}.h5"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"

USES_GPU = config["device"] == "cuda" or (
    config["device"] == "auto" and gpu_is_visible()
)
SCORED = plan.scored_datasets(config)
# Pictures alone have nothing to put into a table.
READING_TABLES = expand(TABLE, format=["csv", "md", "tex"]) if SCORED else []
COMPARED_TABLES = [TABLE.format(format="csv"), DIFFERENCES] if SCORED else []


wildcard_constraints:
    dataset=plan.ID_PATTERN,
    method=plan.ID_PATTERN,
    figure=plan.ID_PATTERN,
    iteration=r"\d+",
    seed=r"\d+",
    batch=r"[^/]+",
    format="png|pdf",
