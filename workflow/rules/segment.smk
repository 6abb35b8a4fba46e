rule segment:
    input:
        job_image_files,
    output:
        LABEL_MAPS,
    log:
        f"{LOGS}/segment/{{dataset}}/{{method}}/seed{{seed}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/segment/{{dataset}}/{{method}}/seed{{seed}}/{{batch}}.tsv"
    conda:
        ENVIRONMENT
    threads: config["threads"]
    resources:
        gpu=lambda wildcards: int(uses_gpu(wildcards.method)),
        runtime=segment_minutes,
        mem_mb=segment_megabytes,
    params:
        method=lambda wildcards: plan_of(wildcards.method)["method"],
        settings=lambda wildcards: [
            f"--set={text}" for text in plan_of(wildcards.method)["settings"]
        ],
        images=job_images,
        code=lambda wildcards: plan_of(wildcards.method)["code"],
        # Only a method that reads label maps has any.
        predictions=lambda wildcards: plan_of(wildcards.method)["predictions"],
        directory=DATASET,
        device=device,
    shell:
        "python -m dynseg segment-batch --dataset-dir {params.directory:q} --batch {wildcards.batch:q}"
        " --method {params.method:q} {params.settings:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads} --output {output:q} 2> {log:q}"
