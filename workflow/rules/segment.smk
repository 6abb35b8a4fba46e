rule segment:
    input:
        batch_image_files,
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
    params:
        method=lambda wildcards: plan.every_method(config)[wildcards.method]["method"],
        settings=lambda wildcards: [
            f"--set={text}" for text in plan.method_settings(config, wildcards.method)
        ],
        images=lambda wildcards: batch_images(
            image_ids(wildcards.dataset), wildcards.batch
        ),
        code=lambda wildcards: plan.method_code_version(config, wildcards.method),
        # Only a method that reads label maps has any.
        predictions=lambda wildcards: plan.predictions_contents(
            config, wildcards.method
        ),
        directory=DATASET,
        device=device,
    shell:
        "python -m dynseg segment-batch --dataset-dir {params.directory:q} --batch {wildcards.batch:q}"
        " --method {params.method:q} {params.settings:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads} --output {output:q} 2> {log:q}"
