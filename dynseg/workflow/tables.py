"""What the configuration says of the table of scores."""

from dynseg.workflow.datasets import dataset_label, scored_datasets
from dynseg.workflow.layout import ResultsTree
from dynseg.workflow.methods import method_label, method_seeds, published_scores
from dynseg.workflow.resolved import Config


def score_files(config: Config) -> list[str]:
    """Return the score files that the table pools: two of every dataset with ground truth, method and seed."""
    results = ResultsTree(config["results"])
    return [
        str(file(dataset, method, seed))
        for file in (results.scores, results.scale_scores)
        for dataset in scored_datasets(config)
        for method in config["methods"]
        for seed in method_seeds(config, method)
    ]


def table_options(config: Config) -> list[str]:
    """Return the options of `dynseg table`: names of datasets and methods, published scores, and where it writes."""
    return [
        *(f"--dataset={name}={dataset_label(config, name)}" for name in scored_datasets(config)),
        *(f"--method={name}={method_label(config, name)}" for name in config["methods"]),
        *(f"--published={text}" for text in published_scores(config)),
        f"--output-dir={ResultsTree(config['results']).tables}",
    ]
