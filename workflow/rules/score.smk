rule score:
    input:
        label_maps=lambda wildcards: label_maps(
            wildcards.dataset, wildcards.method, wildcards.seed
        ),
        ground_truth=GROUND_TRUTH,
    output:
        SCORES,
    log:
        f"{LOGS}/score/{{dataset}}/{{method}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/score/{{dataset}}/{{method}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: scoring_minutes(wildcards.dataset, attempt),
    params:
        # Names of folders, since a command may not be long enough for thousands of files.
        run=lambda wildcards: RUN.format(
            dataset=wildcards.dataset, method=wildcards.method, seed=wildcards.seed
        ),
        dataset=lambda wildcards: DATASET.format(dataset=wildcards.dataset),
        images_per_job=lambda wildcards: images_per_job(
            wildcards.dataset, wildcards.method
        ),
        connectivity=config["scoring"]["connectivity"],
        code=code_version("dynseg.scoring.scores"),
    shell:
        "python -m dynseg score-run --run {params.run:q} --dataset-dir {params.dataset:q}"
        " --images-per-job {params.images_per_job} --connectivity {params.connectivity} --output {output:q} 2> {log:q}"


rule table:
    input:
        [
            SCORES.format(dataset=dataset, method=method, seed=seed)
            for dataset in SCORED
            for method in config["methods"]
            for seed in plan.method_seeds(config, method)
        ],
    output:
        csv=report(
            TABLE.format(format="csv"),
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "scores"},
        ),
        md=TABLE.format(format="md"),
        tex=TABLE.format(format="tex"),
        differences=report(
            DIFFERENCES,
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "differences between methods"},
        ),
    log:
        f"{LOGS}/table1.log",
    benchmark:
        f"{BENCHMARKS}/table/table1.tsv"
    conda:
        ENVIRONMENT
    params:
        # Functions, since Snakemake takes braces in other texts for wildcards.
        datasets=lambda wildcards: [
            f"--dataset={name}={plan.dataset_label(config, name)}" for name in SCORED
        ],
        methods=lambda wildcards: [
            f"--method={name}={plan.method_label(config, name)}"
            for name in config["methods"]
        ],
        published=[f"--published={text}" for text in plan.published_scores(config)],
        directory=lambda wildcards: TABLES,
        code=code_version("dynseg.scoring.tables"),
    shell:
        "python -m dynseg table {params.datasets:q} {params.methods:q} {params.published:q}"
        " --output-dir {params.directory:q} {input:q} 2> {log:q}"
