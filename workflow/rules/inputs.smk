# What rules read, where that depends on the config or on a dataset's images.


def image_ids(dataset):
    """The ids of a dataset's images, once it is prepared."""
    checkpoints.prepare_dataset.get(dataset=dataset)
    return read_image_list(DATASET.format(dataset=dataset))


def method_batches(dataset, method):
    """The batches of a dataset that a method's jobs take, once it is prepared: ids of images by name."""
    checkpoints.prepare_dataset.get(dataset=dataset)
    return listed_batches(dataset, method)


def images_per_job(dataset, method):
    """How many images a job of a method takes on a dataset, once it is prepared."""
    checkpoints.prepare_dataset.get(dataset=dataset)
    return images_per_job_since(listed_at(dataset), dataset, method)


def listed_at(dataset):
    """When the list of a dataset's images was written."""
    return os.stat(IMAGE_LIST.format(dataset=dataset)).st_mtime_ns


def listed_batches(dataset, method):
    """The batches by the list of images that is there; resources can't wait for a checkpoint as inputs can."""
    changed = listed_at(dataset)
    images = images_per_job_since(changed, dataset, method)
    return batches_since(changed, dataset, images)


# Asked for every job, and there may be many thousands.
@cache
def batches_since(changed, dataset, images_per_job):
    ids = read_image_list(DATASET.format(dataset=dataset))
    return batches(ids, images_per_job)


@cache
def images_per_job_since(changed, dataset, method):
    return plan.images_per_job(config, method, sizes_since(changed, dataset).values())


@cache
def sizes_since(changed, dataset):
    return read_image_sizes(DATASET.format(dataset=dataset))


@cache
def plan_of(method):
    """What the config says of a method."""
    return {
        "method": METHODS[method]["method"],
        "parameters": plan.method_parameters(config, method),
        "settings": plan.method_settings(config, method),
        "uses_gpu": plan.method_of(config, method).uses_gpu,
        "code": plan.method_code_version(config, method),
        "predictions": plan.predictions_contents(config, method),
    }


def label_maps(dataset, method, seed):
    """The label map files of a run."""
    names = list(method_batches(dataset, method))
    return expand(LABEL_MAPS, dataset=dataset, method=method, seed=seed, batch=names)


def archive(wildcards):
    """What a dataset is read from: a local path, or what a rule downloads or makes."""
    entry = DATASETS[wildcards.dataset]
    local = plan.local_archive(entry)
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
    entry = DATASETS[wildcards.dataset]
    return [
        archive(wildcards),
        *[entry[name] for name in ("annotations", "ids") if name in entry],
    ]


def job_images(wildcards):
    """The ids of the images that a job segments; the job of a short run takes one, whatever the batches are."""
    known = method_batches(wildcards.dataset, wildcards.method)
    return known.get(wildcards.batch, [wildcards.batch])


def job_image_files(wildcards):
    folder = DATASET.format(dataset=wildcards.dataset)
    return [find_image(folder, image_id) for image_id in job_images(wildcards)]


def uses_gpu(method):
    return USES_GPU and plan_of(method)["uses_gpu"]


def device(wildcards, resources):
    """The configured device; the CPU where `--resources gpu=0` leaves no GPU."""
    return (
        "cpu" if uses_gpu(wildcards.method) and resources.gpu == 0 else config["device"]
    )


def segmentation_cost(estimate, wildcards, attempt):
    """What a function of `cost` says of a segmentation job."""
    dataset, method, batch = wildcards.dataset, wildcards.method, wildcards.batch
    images = listed_batches(dataset, method).get(batch, [batch])
    known = sizes_since(listed_at(dataset), dataset)
    sizes = [known[image_id] for image_id in images]
    gpu = uses_gpu(method)
    return estimate(
        plan.method_of(config, method),
        plan_of(method)["parameters"],
        sizes,
        config["threads"],
        gpu,
        attempt,
    )


def segment_minutes(wildcards, attempt):
    """The minutes that a segmentation job asks a cluster for."""
    return segmentation_cost(cost.job_minutes, wildcards, attempt)


def segment_megabytes(wildcards, attempt):
    """The memory that a segmentation job asks a cluster for, in MB."""
    return segmentation_cost(cost.job_megabytes, wildcards, attempt)


def scoring_minutes(dataset, attempt, runs=1):
    """The minutes that scoring runs on a dataset asks a cluster for; the least before it is prepared."""
    is_prepared = os.path.exists(IMAGE_LIST.format(dataset=dataset))
    images = len(read_image_list(DATASET.format(dataset=dataset))) if is_prepared else 0
    return attempt * (10 + images * runs // 10)


def label_maps_with(dataset, method, seed, wanted):
    """The label map files of a run that hold some images."""
    names = [
        name
        for name, images in method_batches(dataset, method).items()
        if not set(wanted).isdisjoint(images)
    ]
    return expand(LABEL_MAPS, dataset=dataset, method=method, seed=seed, batch=names)


def panel_images(wildcards):
    """The ids of the images that a panel shows, by dataset."""
    return {
        shown["dataset"]: plan.panel_images(shown, image_ids(shown["dataset"]))
        for shown in plan.panel_shows(config["panels"][wildcards.figure])
    }


def panel_runs(wildcards):
    """The label map files of the images that a panel shows, by LABEL@DATASET."""
    entry = config["panels"][wildcards.figure]
    return {
        f"{label}@{dataset}": label_maps_with(
            dataset,
            methods[dataset],
            plan.panel_seed(config, entry, methods[dataset]),
            images,
        )
        for label, methods in plan.panel_methods(config, entry)
        for dataset, images in panel_images(wildcards).items()
        if dataset in methods
    }


def sensitivity_scores(wildcards):
    """The score files that a figure of sensitivity compares, by SCHEME:MU and seed."""
    entry = config["sensitivity"][wildcards.figure]
    methods = plan.sensitivity_methods(config, entry)
    return {
        (f"{scheme}:{mu}", seed): SCORES.format(
            dataset=entry["dataset"], method=method, seed=seed
        )
        for method, (scheme, mu) in methods.items()
        for seed in plan.method_seeds(config, method)
    }


def dynamics_image(entry):
    """The id of the image that a figure of dynamics shows, once its dataset is prepared and is known to have it."""
    shown = {"dataset": entry["dataset"], "images": [entry["image"]]}
    return plan.panel_images(shown, image_ids(entry["dataset"]))[0]


def dynamics_runs(wildcards):
    """The label map files of the image that a figure of dynamics shows, by the method's label."""
    entry = config["dynamics"][wildcards.figure]
    return {
        plan.method_label(config, method): label_maps_with(
            entry["dataset"],
            method,
            plan.method_seeds(config, method)[0],
            [dynamics_image(entry)],
        )
        for method in entry["methods"]
    }


def dynamics_label_maps(wildcards):
    """The label map files on the way that a figure of dynamics shows, by LABEL:ITERATION."""
    entry = config["dynamics"][wildcards.figure]
    return {
        f"{plan.method_label(config, method)}:{iteration}": SHORT_RUN.format(
            dataset=entry["dataset"],
            method=method,
            seed=plan.method_seeds(config, method)[0],
            iteration=iteration,
            batch=dynamics_image(entry),
        )
        for method in entry["methods"]
        for iteration in plan.dynamics_iterations(config, entry, method)
    }


def scatter_scores(wildcards):
    """The score files that a scatter figure compares, by the method's label."""
    entry = config["scatter"][wildcards.figure]
    return {
        plan.method_label(config, method): SCORES.format(
            dataset=entry["dataset"],
            method=method,
            seed=plan.method_seeds(config, method)[0],
        )
        for method in entry["methods"]
    }


def every_figure(formats):
    """The files of all figures of the config."""
    return [
        figure
        for section, path in FIGURE.items()
        for figure in expand(path, figure=config[section], format=formats)
    ]


def every_label_map(wildcards):
    """The label map files that the report shows: of every dataset and method, with the first seed."""
    return [
        file
        for dataset in config["datasets"]
        for method in config["methods"]
        for file in label_maps(dataset, method, plan.method_seeds(config, method)[0])
    ]


def grid_label_maps(wildcards):
    """The label map files of every point of a grid."""
    dataset, seed = plan.TUNING_DATASET, config["seeds"][0]
    points = plan.grid(config, wildcards.grid)
    return [file for point, _ in points for file in label_maps(dataset, point, seed)]


def grid_runs(wildcards):
    """The points of a grid as options NAME=VALUE[,NAME=VALUE...]:FOLDER."""
    dataset, seed = plan.TUNING_DATASET, config["seeds"][0]
    names = plan.swept_parameters(config, wildcards.grid)
    return [
        f"--run={','.join(f'{name}={plan.number_text(entry[name])}' for name in names)}:"
        + RUN.format(dataset=dataset, method=point, seed=seed)
        for point, entry in plan.grid(config, wildcards.grid)
    ]
