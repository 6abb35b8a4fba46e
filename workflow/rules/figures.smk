rule panel:
    input:
        label_maps=lambda wildcards: sum(panel_runs(wildcards).values(), []),
        ground_truth=lambda wildcards: GROUND_TRUTH.format(
            dataset=config["panels"][wildcards.panel]["dataset"]
        ),
    output:
        png=PANEL.replace("{format}", "png"),
        pdf=PANEL.replace("{format}", "pdf"),
    log:
        f"{LOGS}/panel/{{panel}}.log",
    conda:
        ENVIRONMENT
    params:
        dataset=lambda wildcards: DATASET.format(
            dataset=config["panels"][wildcards.panel]["dataset"]
        ),
        runs=lambda wildcards: [
            f"--run={configuration.method_label(config, method)}={','.join(files)}"
            for method, files in panel_runs(wildcards).items()
        ],
        images=lambda wildcards: [
            f"--images={image_id}" for image_id in panel_image_ids(wildcards.panel)
        ],
        colours=lambda wildcards: config["panels"][wildcards.panel]["colours"],
        images_as=lambda wildcards: config["panels"][wildcards.panel]["images_as"],
        width=lambda wildcards: config["panels"][wildcards.panel]["width"],
        code=code_version("dynseg.figures.panels", "dynseg.figures.inputs"),
    shell:
        "python -m dynseg panel --dataset-dir {params.dataset:q} {params.runs:q} {params.images:q}"
        " --colours {params.colours} --images-as {params.images_as} --width {params.width}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
