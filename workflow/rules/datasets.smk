OFFICIAL_ARCHIVE = f"{RESOURCES}/official/{{kind}}.archive"
GIVEN_ARCHIVE = f"{RESOURCES}/{{dataset}}.archive"
MOSAIC_ARCHIVE = f"{RESOURCES}/{{dataset}}.mosaic.tgz"
PHOTOGRAPHS = f"{RESOURCES}/{{dataset}}.photographs"


def archive(wildcards):
    """What a dataset is read from: a local path, or what a rule downloads or makes."""
    entry = config["datasets"][wildcards.dataset]
    local = configuration.local_archive(entry)
    if local:
        return local
    if entry.get("archive"):
        return GIVEN_ARCHIVE.format(dataset=wildcards.dataset)
    made = {"mosaic": MOSAIC_ARCHIVE, "photographs": PHOTOGRAPHS}
    return made.get(entry["kind"], OFFICIAL_ARCHIVE).format(kind=entry["kind"], dataset=wildcards.dataset)


def dataset_inputs(wildcards):
    """The files and folders that a dataset is made from."""
    entry = config["datasets"][wildcards.dataset]
    return [archive(wildcards), *[entry[name] for name in ("annotations", "ids") if name in entry]]


rule fetch_official:
    output:
        OFFICIAL_ARCHIVE,
    log:
        f"{LOGS}/fetch_official/{{kind}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg fetch {wildcards.kind} --output {output:q} 2> {log:q}"


rule fetch_given:
    output:
        GIVEN_ARCHIVE,
    params:
        kind=lambda wildcards: config["datasets"][wildcards.dataset]["kind"],
        address=lambda wildcards: config["datasets"][wildcards.dataset]["archive"],
    log:
        f"{LOGS}/fetch_given/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg fetch {params.kind} --url {params.address:q} --output {output:q} 2> {log:q}"


rule compose_mosaic:
    output:
        MOSAIC_ARCHIVE,
    params:
        images=lambda wildcards: config["datasets"][wildcards.dataset]["images"],
        seed=lambda wildcards: config["datasets"][wildcards.dataset]["seed"],
        code=code_version("dynseg.datasets.mosaic"),
    log:
        f"{LOGS}/compose_mosaic/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg compose-mosaic --images {params.images} --seed {params.seed} --output {output:q} 2> {log:q}"


rule export_photographs:
    output:
        directory(PHOTOGRAPHS),
    params:
        code=code_version("dynseg.datasets.photographs"),
    log:
        f"{LOGS}/export_photographs/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg export-photographs --output {output:q} 2> {log:q}"


# A checkpoint: which images there are is only known once the archive is there.
checkpoint prepare_dataset:
    input:
        dataset_inputs,
    output:
        images=directory(f"{DATASET}/images"),
        image_list=IMAGE_LIST,
        ground_truth=GROUND_TRUTH,
    params:
        kind=lambda wildcards: config["datasets"][wildcards.dataset]["kind"],
        archive=lambda wildcards: archive(wildcards),
        options=lambda wildcards: configuration.prepare_options(config["datasets"][wildcards.dataset]),
        contents=lambda wildcards: configuration.folder_contents(config["datasets"][wildcards.dataset]),
        directory=DATASET,
        code=code_version("dynseg.datasets", "dynseg.ground_truth"),
    log:
        f"{LOGS}/prepare_dataset/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg prepare {params.kind} --name {wildcards.dataset} --archive {params.archive:q}"
        " {params.options:q} --output {params.directory:q} > {log:q} 2>&1"
