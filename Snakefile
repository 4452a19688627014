"""Entry point; the workflow itself lies in workflow/, where Snakemake's catalogue expects it."""


include: "workflow/Snakefile"


rule reproduce:
    """Everything that the preset asks for."""
    default_target: True
    input:
        rules.all.input,
    localrule: True
