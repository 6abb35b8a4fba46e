rule panel:
    input:
        label_maps=lambda wildcards: sum(
            figures.panel_runs(
                jobs_showing("panels", wildcards), wildcards.figure
            ).values(),
            [],
        ),
        ground_truth=lambda wildcards: [
            RESULTS.dataset(name).ground_truth
            for name in figures.figure_datasets(config, "panels", wildcards.figure)
        ],
    output:
        png=report(
            RESULTS.figure("panels", "{figure}", "png"),
            caption="../report/panels.rst",
            category="Figures",
            subcategory="Panels",
            labels={"figure": "{figure}"},
        ),
        pdf=RESULTS.figure("panels", "{figure}", "pdf"),
    log:
        RESULTS.log("panel", "{figure}"),
    benchmark:
        RESULTS.benchmark("panel", "{figure}")
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: figures.panel_options(
            jobs_showing("panels", wildcards), wildcards.figure
        ),
        code=code_version("dynseg.figures.panels", "dynseg.figures.inputs"),
    shell:
        "python -m dynseg panel {params.options:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


rule sensitivity:
    input:
        lambda wildcards: [
            file for _, file in figures.sensitivity_scores(config, wildcards.figure)
        ],
    output:
        png=report(
            RESULTS.figure("sensitivity", "{figure}", "png"),
            caption="../report/sensitivity.rst",
            category="Figures",
            subcategory="Sensitivity to μ",
            labels={"figure": "{figure}"},
        ),
        pdf=RESULTS.figure("sensitivity", "{figure}", "pdf"),
    log:
        RESULTS.log("sensitivity", "{figure}"),
    benchmark:
        RESULTS.benchmark("sensitivity", "{figure}")
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: figures.sensitivity_options(config, wildcards.figure),
        code=code_version("dynseg.figures.sensitivity"),
    shell:
        "python -m dynseg sensitivity {params.options:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


# The label map of a run after fewer iterations is that of a run of so many.
use rule segment as short_run with:
    output:
        RESULTS.short_run("{dataset}", "{method}", "{seed}", "{iteration}", "{batch}"),
    log:
        RESULTS.log(
            "short_run",
            "{dataset}",
            "{method}",
            "seed{seed}",
            "iteration{iteration}",
            "{batch}",
        ),
    benchmark:
        RESULTS.benchmark(
            "short_run",
            "{dataset}",
            "{method}",
            "seed{seed}",
            "iteration{iteration}",
            "{batch}",
        )
    resources:
        gpu=lambda wildcards: int(JOBS.uses_gpu(wildcards.method)),
        runtime=lambda wildcards, attempt: JOBS.minutes(
            wildcards.dataset,
            wildcards.method,
            wildcards.batch,
            attempt,
            int(wildcards.iteration),
        ),
        mem_mb=lambda wildcards, attempt: JOBS.megabytes(
            wildcards.dataset, wildcards.method, wildcards.batch, attempt
        ),
    params:
        settings=lambda wildcards: [
            f"--set={text}"
            for text in methods.method_settings(
                config, wildcards.method, iterations=int(wildcards.iteration)
            )
        ],
        scales=[],


rule dynamics:
    input:
        runs=lambda wildcards: sum(
            figures.dynamics_runs(
                jobs_showing("dynamics", wildcards), wildcards.figure
            ).values(),
            [],
        ),
        label_maps=lambda wildcards: list(
            figures.dynamics_label_maps(
                jobs_showing("dynamics", wildcards), wildcards.figure
            ).values()
        ),
    output:
        png=report(
            RESULTS.figure("dynamics", "{figure}", "png"),
            caption="../report/dynamics.rst",
            category="Figures",
            subcategory="Dynamics of training",
            labels={"figure": "{figure}"},
        ),
        pdf=RESULTS.figure("dynamics", "{figure}", "pdf"),
    log:
        RESULTS.log("dynamics", "{figure}"),
    benchmark:
        RESULTS.benchmark("dynamics", "{figure}")
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: figures.dynamics_options(
            jobs_showing("dynamics", wildcards), wildcards.figure
        ),
        code=code_version("dynseg.figures.dynamics", "dynseg.figures.inputs"),
    shell:
        "python -m dynseg dynamics {params.options:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"


rule scatter:
    input:
        lambda wildcards: [
            file for _, file in figures.scatter_scores(config, wildcards.figure)
        ],
    output:
        png=report(
            RESULTS.figure("scatter", "{figure}", "png"),
            caption="../report/scatter.rst",
            category="Figures",
            subcategory="Image by image",
            labels={"figure": "{figure}"},
        ),
        pdf=RESULTS.figure("scatter", "{figure}", "pdf"),
    log:
        RESULTS.log("scatter", "{figure}"),
    benchmark:
        RESULTS.benchmark("scatter", "{figure}")
    conda:
        ENVIRONMENT
    params:
        options=lambda wildcards: figures.score_options(
            figures.scatter_scores(config, wildcards.figure)
        ),
        code=code_version("dynseg.figures.scatter"),
    shell:
        "python -m dynseg scatter {params.options:q}"
        " --output-png {output.png:q} --output-pdf {output.pdf:q} 2> {log:q}"
