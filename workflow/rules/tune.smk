rule tune:
    input:
        expand(TUNED, grid=config["tuning"]["grids"], format=["csv", "png", "pdf"]),


rule tune_grid:
    input:
        label_maps=grid_label_maps,
        ground_truth=GROUND_TRUTH.format(dataset=plan.TUNING_DATASET),
    output:
        csv=TUNED.replace("{format}", "csv"),
        scales=SCALES,
        png=TUNED.replace("{format}", "png"),
        pdf=TUNED.replace("{format}", "pdf"),
    log:
        f"{LOGS}/tune_grid/{{grid}}.log",
    benchmark:
        f"{BENCHMARKS}/tune_grid/{{grid}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: scoring_minutes(
            plan.TUNING_DATASET, attempt, len(plan.grid(config, wildcards.grid))
        ),
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        dataset=lambda wildcards: DATASET.format(dataset=plan.TUNING_DATASET),
        runs=grid_runs,
        images_per_job=lambda wildcards: images_per_job(
            plan.TUNING_DATASET, plan.grid(config, wildcards.grid)[0][0]
        ),
        measure=config["tuning"]["measure"],
        connectivity=config["scoring"]["connectivity"],
        code=code_version("dynseg.scoring.tuning", "dynseg.figures.grid"),
    shell:
        "python -m dynseg tune --dataset-dir {params.dataset:q} {params.runs:q}"
        " --images-per-job {params.images_per_job} --measure {params.measure} --connectivity {params.connectivity}"
        " --output-csv {output.csv:q} --output-scales {output.scales:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
