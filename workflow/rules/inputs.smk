# What rules read, where that depends on the config or on a dataset's images.


def image_ids(dataset):
    """The ids of a dataset's images, once it is prepared."""
    checkpoints.prepare_dataset.get(dataset=dataset)
    return read_image_list(DATASET.format(dataset=dataset))


def label_maps(dataset, method, seed):
    """The label map files of a run."""
    batches = batch_names(image_ids(dataset), config["images_per_job"])
    return expand(LABEL_MAPS, dataset=dataset, method=method, seed=seed, batch=batches)


def archive(wildcards):
    """What a dataset is read from: a local path, or what a rule downloads or makes."""
    entry = config["datasets"][wildcards.dataset]
    local = configuration.local_archive(entry)
    if local:
        return local
    if entry.get("archive"):
        return GIVEN_ARCHIVE.format(dataset=wildcards.dataset)
    made = {"mosaic": MOSAIC_ARCHIVE, "photographs": PHOTOGRAPHS}
    return made.get(entry["kind"], OFFICIAL_ARCHIVE).format(
        kind=entry["kind"], dataset=wildcards.dataset
    )


def dataset_inputs(wildcards):
    """The files and folders that a dataset is made from."""
    entry = config["datasets"][wildcards.dataset]
    return [
        archive(wildcards),
        *[entry[name] for name in ("annotations", "ids") if name in entry],
    ]


def batch_image_files(wildcards):
    ids = batch_images(image_ids(wildcards.dataset), wildcards.batch)
    return [
        find_image(DATASET.format(dataset=wildcards.dataset), image_id)
        for image_id in ids
    ]


def uses_gpu(method):
    wanted = config["device"] == "cuda" or (
        config["device"] == "auto" and gpu_is_visible()
    )
    return wanted and configuration.method_of(config, method).uses_gpu


def device(wildcards, resources):
    """The configured device; the CPU where `--resources gpu=0` leaves no GPU."""
    return (
        "cpu" if uses_gpu(wildcards.method) and resources.gpu == 0 else config["device"]
    )


def panel_image_ids(panel):
    """The ids of the images that a panel shows."""
    entry = config["panels"][panel]
    return configuration.panel_images(entry, image_ids(entry["dataset"]))


def panel_runs(wildcards):
    """The label map files of the images that a panel shows, by method."""
    entry = config["panels"][wildcards.panel]
    wanted = set(panel_image_ids(wildcards.panel))
    ids = image_ids(entry["dataset"])
    names = batch_names(ids, config["images_per_job"])
    batches = [name for name in names if wanted.intersection(batch_images(ids, name))]
    return {
        method: expand(
            LABEL_MAPS,
            dataset=entry["dataset"],
            method=method,
            seed=configuration.panel_seed(config, entry, method),
            batch=batches,
        )
        for method in configuration.panel_methods(config, entry)
    }


def every_label_map(wildcards):
    """The label map files that the report shows: of every dataset and method, with the first seed."""
    return [
        file
        for dataset in config["datasets"]
        for method in config["methods"]
        for file in label_maps(
            dataset, method, configuration.method_seeds(config, method)[0]
        )
    ]
