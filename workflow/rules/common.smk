import atexit
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod, Quietness

# A checkout brings its package along; rules that another workflow takes from an address need it installed.
REPOSITORY = Path(str(workflow.current_basedir)).parents[1]

if (REPOSITORY / "dynseg").is_dir():
    sys.path.insert(0, str(REPOSITORY))
elif find_spec("dynseg") is None:
    raise WorkflowError(
        "the Python package dynseg is missing: install it with pip beside Snakemake, or take the module from a checkout"
    )

from dynseg.workflow import configuration, datasets, figures, methods, tables
from dynseg.code_version import code_version
from dynseg.datasets import find_kind
from dynseg.devices import gpu_is_visible
from dynseg.workflow.announce import announcement
from dynseg.workflow.environment import calm_scheduler, offer_package
from dynseg.workflow.failures import repeat_at_exit
from dynseg.errors import UserError
from dynseg.io.locks import claim_folder
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.layout import ID_PATTERN, ResourcesTree, ResultsTree
from dynseg.workflow.resolved import recorded
from dynseg.workflow.sources import near

PACKAGE_FOLDER = offer_package(REPOSITORY if (REPOSITORY / "dynseg").is_dir() else None)
# Snakemake takes PYTHONPATH away from jobs in conda environments.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    shell.prefix(
        f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PACKAGE_FOLDER))}; "
    )


# With --software-deployment-method apptainer jobs run in this image, built from envs/dynseg.def.
container: os.environ.get("DYNSEG_IMAGE", "dynseg.sif")


def config_parts():
    """Return names of config files and `--config`, and what each says by itself; Snakemake gives them merged."""
    settings = workflow.config_settings
    given = workflow.overwrite_configfiles
    own = [] if settings.replace_workflow_config else workflow.configfiles[len(given) :]
    files = [(str(near(file)), load_configfile(file)) for file in [*own, *given]]
    return [*files, *([("--config", settings.config)] if settings.config else [])]


try:
    config = configuration.resolve_parts(config, config_parts())
except UserError as error:
    raise WorkflowError(str(error)) from None

DATASETS = datasets.every_dataset(config)
# Relative to the folder of the rules.
ENVIRONMENT = "../../envs/dynseg.yaml"

RESULTS = ResultsTree(config["results"])
RESOURCES = ResourcesTree(config["resources"])
JOBS = Jobs(
    config,
    with_gpu=config["device"] in ("cuda", "mps")
    or (config["device"] == "auto" and gpu_is_visible()),
)
HAS_TABLE = bool(datasets.scored_datasets(config))


def planned_jobs(workflow):
    """Return rule and wildcards of the jobs that run or ran, by what Snakemake has found out so far."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    return [(job.rule.name, job.wildcards_dict) for job in jobs]


def is_silent(workflow):
    """Whether nothing is to be said (`--quiet all`)."""
    return Quietness.ALL in (workflow.output_settings.quiet or ())


def say_plan(workflow):
    """Say what is left to do, and how long it takes: never a reason not to start."""
    if is_silent(workflow):
        return
    cores = workflow.resource_settings.cores if workflow.local_exec else None
    try:
        paragraph = announcement(JOBS, planned_jobs(workflow), cores)
    except Exception as error:
        paragraph = (
            f"How long this takes isn't known ({type(error).__name__}: {error})."
        )
    if paragraph:
        print(paragraph, file=sys.stderr, flush=True)


def name_report(workflow):
    """Name the report at the end, after what Snakemake says last, if it was made."""
    made = any(rule == "report" for rule, _ in planned_jobs(workflow))
    if made and not is_silent(workflow):
        atexit.register(print, f"The report: {RESULTS.report}", file=sys.stderr)


# Paths that several rules name, with wildcards.
DATASET = RESULTS.dataset("{dataset}")
LABEL_MAPS = str(RESULTS.batch("{dataset}", "{method}", "{seed}", "{batch}"))
SCORES = str(RESULTS.scores("{dataset}", "{method}", "{seed}"))
SCALE_SCORES = str(RESULTS.scale_scores("{dataset}", "{method}", "{seed}"))


wildcard_constraints:
    dataset=ID_PATTERN,
    method=ID_PATTERN,
    figure=ID_PATTERN,
    iteration=r"\d+",
    seed=r"\d+",
    batch=r"[^/]+",
    format="png|pdf",
