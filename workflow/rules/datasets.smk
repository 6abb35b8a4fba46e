# On a cluster, downloads run where Snakemake does: most nodes reach no other network.
rule fetch_official:
    output:
        RESOURCES.official("{kind}"),
    log:
        RESULTS.log("fetch_official", "{kind}"),
    benchmark:
        RESULTS.benchmark("fetch_official", "{kind}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        contents=lambda wildcards: datasets.found_contents(config, wildcards.kind),
        # What looks at resources is no part of what made a file: another folder makes nothing run again.
        archives=lambda wildcards, resources: datasets.archives_options(config),
    shell:
        "python -m dynseg fetch {wildcards.kind} {params.archives:q} --output {output:q} 2> {log:q}"


rule fetch_given:
    output:
        RESOURCES.given("{dataset}"),
    log:
        RESULTS.log("fetch_given", "{dataset}"),
    benchmark:
        RESULTS.benchmark("fetch_given", "{dataset}")
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
        RESOURCES.made("{dataset}", find_kind("mosaic").made_as),
    log:
        RESULTS.log("compose_mosaic", "{dataset}"),
    benchmark:
        RESULTS.benchmark("compose_mosaic", "{dataset}")
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
        directory(RESOURCES.made("{dataset}", find_kind("photographs").made_as)),
    log:
        RESULTS.log("export_photographs", "{dataset}"),
    benchmark:
        RESULTS.benchmark("export_photographs", "{dataset}")
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: datasets.export_options(DATASETS[wildcards.dataset]),
        code=code_version("dynseg.datasets.photographs"),
    shell:
        "python -m dynseg export-photographs {params.options} --output {output:q} 2> {log:q}"


# A checkpoint: which images there are is only known once the archive is there.
checkpoint prepare_dataset:
    input:
        lambda wildcards: datasets.dataset_sources(config, wildcards.dataset),
    output:
        images=directory(DATASET.images),
        image_list=DATASET.image_list,
        image_sizes=DATASET.sizes,
        ground_truth=DATASET.ground_truth,
    log:
        RESULTS.log("prepare_dataset", "{dataset}"),
    benchmark:
        RESULTS.benchmark("prepare_dataset", "{dataset}")
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: 240 * attempt,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        kind=lambda wildcards: DATASETS[wildcards.dataset]["kind"],
        archive=lambda wildcards: datasets.dataset_archive(config, wildcards.dataset),
        options=lambda wildcards: datasets.prepare_options(DATASETS[wildcards.dataset]),
        contents=lambda wildcards: datasets.sources_contents(
            DATASETS[wildcards.dataset]
        ),
        directory=str(DATASET.folder),
        code=lambda wildcards: datasets.preparing_code(DATASETS[wildcards.dataset]),
    shell:
        "python -m dynseg prepare {params.kind} --name {wildcards.dataset} --archive {params.archive:q}"
        " {params.options:q} --output {params.directory:q} 2> {log:q}"
