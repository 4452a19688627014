"""`dvc repro` of a preset that has nothing for some of the folders that DVC is told of."""

import shutil

import yaml

from tests.workflow.clone import Clone


def test_a_preset_with_nothing_for_some_folders_is_recorded_with_empty_ones(watched, tmp_path):
    """The finished 2-D run without figures, in a clone of its own; DVC wants every output there."""
    done = watched[0]
    whole = yaml.safe_load((done.folder / f"config/{done.name}.yaml").read_text())
    clone = Clone(tmp_path / "planar", whole)
    for folder in (f"results/{done.name}", ".snakemake/metadata"):
        shutil.copytree(done.folder / folder, clone.folder / folder)
    assert not (clone.results / "figures").exists()
    result = clone.dvc("repro")
    assert "jobs in" not in result.stdout, "what was finished ran again"
    (stage,) = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"].values()
    files = {out["path"]: out["nfiles"] for out in stage["outs"]}
    assert {path for path, count in files.items() if not count} == {
        "data/processed",
        f"results/{done.name}/figures",
    }
    audit = clone.nsgf("audit", f"results/{done.name}", "--gate")
    assert audit.returncode == 0, audit.stdout + audit.stderr
