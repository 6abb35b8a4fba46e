rule tune:
    input:
        [
            RESULTS.tuned(grid, extension)
            for grid in config["tuning"]["grids"]
            for extension in ("csv", "png", "pdf")
        ],


rule tune_grid:
    input:
        label_maps=lambda wildcards: once_prepared(
            datasets.TUNING_DATASET
        ).grid_label_maps(wildcards.grid),
        ground_truth=RESULTS.dataset(datasets.TUNING_DATASET).ground_truth,
    output:
        csv=RESULTS.tuned("{grid}", "csv"),
        scales=RESULTS.tuned_scales("{grid}"),
        png=RESULTS.tuned("{grid}", "png"),
        pdf=RESULTS.tuned("{grid}", "pdf"),
    log:
        RESULTS.log("tune_grid", "{grid}"),
    benchmark:
        RESULTS.benchmark("tune_grid", "{grid}")
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: JOBS.scoring_minutes(
            datasets.TUNING_DATASET,
            attempt,
            len(methods.grid(config, wildcards.grid)),
        ),
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        dataset=lambda wildcards: str(RESULTS.dataset(datasets.TUNING_DATASET).folder),
        options=lambda wildcards: once_prepared(datasets.TUNING_DATASET).grid_options(
            wildcards.grid
        ),
        measure=config["tuning"]["measure"],
        connectivity=config["scoring"]["connectivity"],
        code=code_version("dynseg.scoring.tuning", "dynseg.figures.grid"),
    shell:
        "python -m dynseg tune --dataset-dir {params.dataset:q} {params.options:q}"
        " --measure {params.measure} --connectivity {params.connectivity}"
        " --output-csv {output.csv:q} --output-scales {output.scales:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
