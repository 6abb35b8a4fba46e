rule panel:
    input:
        label_maps=lambda wildcards: sum(panel_runs(wildcards).values(), []),
        ground_truth=lambda wildcards: expand(
            GROUND_TRUTH, dataset=panel_images(wildcards)
        ),
    output:
        png=report(
            FIGURE["panels"].replace("{format}", "png"),
            caption="../report/panels.rst",
            category="Figures",
            subcategory="Panels",
            labels={"figure": "{figure}"},
        ),
        pdf=FIGURE["panels"].replace("{format}", "pdf"),
    log:
        f"{LOGS}/panel/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/panel/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        datasets=lambda wildcards: [
            f"--dataset-dir={DATASET.format(dataset=dataset)}"
            for dataset in panel_images(wildcards)
        ],
        dataset_labels=lambda wildcards: [
            f"--dataset-label={dataset}={plan.dataset_label(config, dataset)}"
            for dataset in panel_images(wildcards)
        ],
        runs=lambda wildcards: [
            f"--run={name}={','.join(files)}"
            for name, files in panel_runs(wildcards).items()
        ],
        images=lambda wildcards: [
            f"--images={dataset}/{image}"
            for dataset, images in panel_images(wildcards).items()
            for image in images
        ],
        ground_truth=lambda wildcards: (
            "--ground-truth"
            if config["panels"][wildcards.figure]["ground_truth"]
            else "--no-ground-truth"
        ),
        colours=lambda wildcards: config["panels"][wildcards.figure]["colours"],
        images_as=lambda wildcards: config["panels"][wildcards.figure]["images_as"],
        width=lambda wildcards: config["panels"][wildcards.figure]["width"],
        code=code_version("dynseg.figures.panels", "dynseg.figures.inputs"),
    shell:
        "python -m dynseg panel {params.datasets:q} {params.dataset_labels:q} {params.runs:q} {params.images:q}"
        " {params.ground_truth} --colours {params.colours} --images-as {params.images_as} --width {params.width}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


rule sensitivity:
    input:
        lambda wildcards: list(sensitivity_scores(wildcards).values()),
    output:
        png=report(
            FIGURE["sensitivity"].replace("{format}", "png"),
            caption="../report/sensitivity.rst",
            category="Figures",
            subcategory="Sensitivity to μ",
            labels={"figure": "{figure}"},
        ),
        pdf=FIGURE["sensitivity"].replace("{format}", "pdf"),
    log:
        f"{LOGS}/sensitivity/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/sensitivity/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        scores=lambda wildcards: [
            f"--scores={scheme_and_mu}={file}"
            for (scheme_and_mu, seed), file in sensitivity_scores(wildcards).items()
        ],
        code=code_version("dynseg.figures.sensitivity"),
    shell:
        "python -m dynseg sensitivity {params.scores:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


# The label map of a run after fewer iterations is that of a run of so many.
use rule segment as short_run with:
    output:
        SHORT_RUN,
    log:
        f"{LOGS}/short_run/{{dataset}}/{{method}}/seed{{seed}}/iteration{{iteration}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/short_run/{{dataset}}/{{method}}/seed{{seed}}/iteration{{iteration}}/{{batch}}.tsv"
    params:
        settings=lambda wildcards: [
            f"--set={text}"
            for text in plan.method_settings(
                config, wildcards.method, iterations=int(wildcards.iteration)
            )
        ],


rule dynamics:
    input:
        runs=lambda wildcards: sum(dynamics_runs(wildcards).values(), []),
        label_maps=lambda wildcards: list(dynamics_label_maps(wildcards).values()),
    output:
        png=report(
            FIGURE["dynamics"].replace("{format}", "png"),
            caption="../report/dynamics.rst",
            category="Figures",
            subcategory="Dynamics of training",
            labels={"figure": "{figure}"},
        ),
        pdf=FIGURE["dynamics"].replace("{format}", "pdf"),
    log:
        f"{LOGS}/dynamics/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/dynamics/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        image=lambda wildcards: config["dynamics"][wildcards.figure]["image"],
        runs=lambda wildcards: [
            f"--run={label}={','.join(files)}"
            for label, files in dynamics_runs(wildcards).items()
        ],
        label_maps=lambda wildcards: [
            f"--label-map={name}={file}"
            for name, file in dynamics_label_maps(wildcards).items()
        ],
        code=code_version("dynseg.figures.dynamics", "dynseg.figures.inputs"),
    shell:
        "python -m dynseg dynamics --image {params.image:q} {params.runs:q} {params.label_maps:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


rule scatter:
    input:
        lambda wildcards: list(scatter_scores(wildcards).values()),
    output:
        png=report(
            FIGURE["scatter"].replace("{format}", "png"),
            caption="../report/scatter.rst",
            category="Figures",
            subcategory="Image by image",
            labels={"figure": "{figure}"},
        ),
        pdf=FIGURE["scatter"].replace("{format}", "pdf"),
    log:
        f"{LOGS}/scatter/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/scatter/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        scores=lambda wildcards: [
            f"--scores={label}={file}"
            for label, file in scatter_scores(wildcards).items()
        ],
        code=code_version("dynseg.figures.scatter"),
    shell:
        "python -m dynseg scatter {params.scores:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
