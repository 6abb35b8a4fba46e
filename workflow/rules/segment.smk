rule segment:
    input:
        of_batch(Jobs.image_files),
    output:
        LABEL_MAPS,
    log:
        RESULTS.log("segment", "{dataset}", "{method}", "seed{seed}", "{batch}"),
    benchmark:
        RESULTS.benchmark("segment", "{dataset}", "{method}", "seed{seed}", "{batch}")
    conda:
        ENVIRONMENT
    threads: config["threads"]
    resources:
        gpu=lambda wildcards: int(JOBS.uses_gpu(wildcards.method)),
        # Resources can't wait for a checkpoint as inputs can.
        runtime=lambda wildcards, attempt: JOBS.minutes(
            wildcards.dataset, wildcards.method, wildcards.batch, attempt
        ),
        mem_mb=lambda wildcards, attempt: JOBS.megabytes(
            wildcards.dataset, wildcards.method, wildcards.batch, attempt
        ),
    params:
        method=lambda wildcards: JOBS.method(wildcards.method).method,
        settings=lambda wildcards: [
            f"--set={text}" for text in JOBS.method(wildcards.method).settings
        ],
        scales=lambda wildcards: JOBS.method(wildcards.method).scales,
        images=of_batch(Jobs.images),
        contents=of_batch(Jobs.image_contents),
        code=lambda wildcards: JOBS.method(wildcards.method).code,
        # Only a method that reads label maps has any.
        predictions=lambda wildcards: JOBS.method(wildcards.method).predictions,
        directory=str(DATASET.folder),
        device=lambda wildcards, resources: JOBS.device(wildcards.method, resources.gpu),
    shell:
        "python -m dynseg segment-batch --dataset-dir {params.directory:q} --batch {wildcards.batch:q}"
        " --method {params.method:q} {params.settings:q} {params.scales:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads} --output {output:q} 2> {log:q}"
