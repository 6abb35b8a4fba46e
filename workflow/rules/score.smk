rule score:
    input:
        label_maps=lambda wildcards: jobs_of(wildcards).label_maps(
            wildcards.dataset, wildcards.method, wildcards.seed
        ),
        ground_truth=DATASET.ground_truth,
    output:
        scores=SCORES,
        # Only a header where a method has no scale.
        scales=SCALE_SCORES,
    log:
        RESULTS.log("score", "{dataset}", "{method}", "seed{seed}"),
    benchmark:
        RESULTS.benchmark("score", "{dataset}", "{method}", "seed{seed}")
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: JOBS.scoring_minutes(
            wildcards.dataset, attempt
        ),
    params:
        # Names of folders, since a command may not be long enough for thousands of files.
        run=str(RESULTS.label_maps("{dataset}", "{method}", "{seed}")),
        dataset=lambda wildcards: str(RESULTS.dataset(wildcards.dataset).folder),
        images_per_job=lambda wildcards: jobs_of(wildcards).images_per_job(
            wildcards.dataset, wildcards.method
        ),
        connectivity=config["scoring"]["connectivity"],
        code=code_version("dynseg.scoring.scales"),
    shell:
        "python -m dynseg score-run --run {params.run:q} --dataset-dir {params.dataset:q}"
        " --images-per-job {params.images_per_job} --connectivity {params.connectivity}"
        " --output {output.scores:q} --output-scales {output.scales:q} 2> {log:q}"


rule table:
    input:
        tables.score_files(config),
    output:
        csv=report(
            RESULTS.table("csv"),
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "scores"},
        ),
        md=RESULTS.table("md"),
        tex=RESULTS.table("tex"),
        differences=report(
            RESULTS.differences,
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "differences between methods"},
        ),
    log:
        RESULTS.log("table1"),
    benchmark:
        RESULTS.benchmark("table", "table1")
    conda:
        ENVIRONMENT
    params:
        # A function, since Snakemake takes braces in other texts for wildcards.
        options=lambda wildcards: tables.table_options(config),
        code=code_version("dynseg.scoring.tables"),
    shell:
        "python -m dynseg table {params.options:q} {input:q} 2> {log:q}"
