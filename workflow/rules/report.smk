# What the report shows of the config; what decides nothing in it (device, threads, paths) is left out.
rule record_config:
    output:
        RESULTS.config,
    log:
        RESULTS.log("record_config"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        text=lambda wildcards: recorded(config),
    shell:
        "{{ printf '%s\\n' {params.text:q} > {output:q}.part && mv {output:q}.part {output:q}; }} 2> {log:q}"


rule report:
    input:
        config=RESULTS.config,
        tables=[RESULTS.table("csv"), RESULTS.differences] if HAS_TABLE else [],
        figures=figures.figure_files(config, ["png"]),
        label_maps=lambda wildcards: once_prepared(
            *config["datasets"]
        ).shown_label_maps(),
        ground_truth=[RESULTS.dataset(name).ground_truth for name in config["datasets"]],
    output:
        report(
            RESULTS.report,
            caption="../report/report.rst",
            category="Report",
            labels={"content": "tables, figures and gallery"},
        ),
    log:
        RESULTS.log("report"),
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: 60 * attempt,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        directory=lambda wildcards: config["results"],
        code=code_version("dynseg.report.build"),
    shell:
        "python -m dynseg report --results {params.directory:q} --config {input.config:q}"
        " --output {output:q} 2> {log:q}"
