# What rules read once datasets are prepared: `dynseg.workflow` says what, these functions wait.


def once_prepared(*names):
    """The jobs, once these datasets are prepared."""
    for dataset in names:
        checkpoints.prepare_dataset.get(dataset=dataset)
    return JOBS


def jobs_of(wildcards):
    """The jobs, once the dataset of a job is prepared."""
    return once_prepared(wildcards.dataset)


def jobs_showing(section, wildcards):
    """The jobs, once the datasets of a figure are prepared."""
    return once_prepared(*figures.figure_datasets(config, section, wildcards.figure))


def of_batch(function):
    """What a function of the dataset, method and batch of a job says, once the dataset is prepared."""

    def after(wildcards):
        jobs = jobs_of(wildcards)
        return function(jobs, wildcards.dataset, wildcards.method, wildcards.batch)

    return after
