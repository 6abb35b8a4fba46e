# On a cluster, downloads run where Snakemake does: most nodes reach no other network.
rule fetch_official:
    output:
        OFFICIAL_ARCHIVE,
    log:
        f"{LOGS}/fetch_official/{{kind}}.log",
    benchmark:
        f"{BENCHMARKS}/fetch_official/{{kind}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg fetch {wildcards.kind} --output {output:q} 2> {log:q}"


rule fetch_given:
    output:
        GIVEN_ARCHIVE,
    log:
        f"{LOGS}/fetch_given/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/fetch_given/{{dataset}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        kind=lambda wildcards: DATASETS[wildcards.dataset]["kind"],
        address=lambda wildcards: DATASETS[wildcards.dataset]["archive"],
    shell:
        "python -m dynseg fetch {params.kind} --url {params.address:q} --output {output:q} 2> {log:q}"


rule compose_mosaic:
    output:
        MOSAIC_ARCHIVE,
    log:
        f"{LOGS}/compose_mosaic/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/compose_mosaic/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    params:
        images=lambda wildcards: DATASETS[wildcards.dataset]["images"],
        seed=lambda wildcards: DATASETS[wildcards.dataset]["seed"],
        code=code_version("dynseg.datasets.mosaic"),
    shell:
        "python -m dynseg compose-mosaic --images {params.images} --seed {params.seed} --output {output:q} 2> {log:q}"


rule export_photographs:
    output:
        directory(PHOTOGRAPHS),
    log:
        f"{LOGS}/export_photographs/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/export_photographs/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: plan.export_options(DATASETS[wildcards.dataset]),
        code=code_version("dynseg.datasets.photographs"),
    shell:
        "python -m dynseg export-photographs {params.options} --output {output:q} 2> {log:q}"


# A checkpoint: which images there are is only known once the archive is there.
checkpoint prepare_dataset:
    input:
        dataset_inputs,
    output:
        images=directory(f"{DATASET}/images"),
        image_list=IMAGE_LIST,
        image_sizes=IMAGE_SIZES,
        ground_truth=GROUND_TRUTH,
    log:
        f"{LOGS}/prepare_dataset/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_dataset/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: 240 * attempt,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        kind=lambda wildcards: DATASETS[wildcards.dataset]["kind"],
        archive=lambda wildcards: archive(wildcards),
        options=lambda wildcards: plan.prepare_options(DATASETS[wildcards.dataset]),
        contents=lambda wildcards: plan.folder_contents(DATASETS[wildcards.dataset]),
        directory=DATASET,
        code=code_version("dynseg.datasets", "dynseg.io.ground_truth"),
    shell:
        "python -m dynseg prepare {params.kind} --name {wildcards.dataset} --archive {params.archive:q}"
        " {params.options:q} --output {params.directory:q} 2> {log:q}"
