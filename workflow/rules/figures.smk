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


rule panel:
    input:
        label_maps=lambda wildcards: sum(panel_runs(wildcards).values(), []),
        ground_truth=lambda wildcards: GROUND_TRUTH.format(dataset=config["panels"][wildcards.panel]["dataset"]),
    output:
        png=PANEL.replace("{format}", "png"),
        pdf=PANEL.replace("{format}", "pdf"),
    params:
        dataset=lambda wildcards: DATASET.format(dataset=config["panels"][wildcards.panel]["dataset"]),
        runs=lambda wildcards: [
            f"--run={configuration.method_label(config, method)}={','.join(files)}"
            for method, files in panel_runs(wildcards).items()
        ],
        images=lambda wildcards: [f"--images={image_id}" for image_id in panel_image_ids(wildcards.panel)],
        colours=lambda wildcards: config["panels"][wildcards.panel]["colours"],
        images_as=lambda wildcards: config["panels"][wildcards.panel]["images_as"],
        width=lambda wildcards: config["panels"][wildcards.panel]["width"],
        code=code_version("dynseg.figures.panels", "dynseg.figures.inputs"),
    log:
        f"{LOGS}/panel/{{panel}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg panel --dataset-dir {params.dataset:q} {params.runs:q} {params.images:q}"
        " --colours {params.colours} --images-as {params.images_as} --width {params.width}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
