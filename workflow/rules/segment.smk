def batch_image_files(wildcards):
    ids = batch_images(image_ids(wildcards.dataset), wildcards.batch)
    return [find_image(DATASET.format(dataset=wildcards.dataset), image_id) for image_id in ids]


def uses_gpu(method):
    wanted = config["device"] == "cuda" or (config["device"] == "auto" and gpu_is_visible())
    return wanted and configuration.method_of(config, method).uses_gpu


def device(wildcards, resources):
    """The configured device; the CPU where `--resources gpu=0` leaves no GPU."""
    return "cpu" if uses_gpu(wildcards.method) and resources.gpu == 0 else config["device"]


rule segment:
    input:
        batch_image_files,
    output:
        LABEL_MAPS,
    params:
        method=lambda wildcards: config["methods"][wildcards.method]["method"],
        settings=lambda wildcards: [f"--set={text}" for text in configuration.method_settings(config, wildcards.method)],
        images=lambda wildcards: batch_images(image_ids(wildcards.dataset), wildcards.batch),
        code=lambda wildcards: configuration.method_code_version(config, wildcards.method),
        directory=DATASET,
        device=device,
    log:
        f"{LOGS}/segment/{{dataset}}/{{method}}/seed{{seed}}/{{batch}}.log",
    threads: config["threads"]
    resources:
        gpu=lambda wildcards: int(uses_gpu(wildcards.method)),
    conda:
        ENVIRONMENT
    shell:
        "python -m dynseg segment-batch --dataset-dir {params.directory:q} --batch {wildcards.batch:q}"
        " --method {params.method:q} {params.settings:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads} --output {output:q} 2> {log:q}"
