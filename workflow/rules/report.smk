# What the report shows of the config; what decides nothing in it (device, threads, paths) is left out.
rule record_config:
    output:
        RECORDED_CONFIG,
    log:
        f"{LOGS}/record_config.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        text=lambda wildcards: plan.recorded(config),
    shell:
        "{{ printf '%s\\n' {params.text:q} > {output:q}.part && mv {output:q}.part {output:q}; }} 2> {log:q}"


rule report:
    input:
        config=RECORDED_CONFIG,
        tables=COMPARED_TABLES,
        figures=every_figure(["png"]),
        label_maps=every_label_map,
        ground_truth=expand(GROUND_TRUTH, dataset=config["datasets"]),
    output:
        report(
            REPORT,
            caption="../report/report.rst",
            category="Report",
            labels={"content": "tables, figures and gallery"},
        ),
    log:
        f"{LOGS}/report.log",
    conda:
        ENVIRONMENT
    resources:
        runtime=lambda wildcards, attempt: 60 * attempt,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        directory=lambda wildcards: RESULTS,
        code=code_version("dynseg.report.build"),
    shell:
        "python -m dynseg report --results {params.directory:q} --config {input.config:q}"
        " --output {output:q} 2> {log:q}"
