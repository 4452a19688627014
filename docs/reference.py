"""The library's API reference as HTML that needs no network: `make docs` writes it to docs/api."""

import sys
from pathlib import Path

import pdoc
from pdoc import render

import nsgf

PUBLIC = """nsgf nsgf.estimator nsgf.ot nsgf.flows nsgf.data nsgf.nets nsgf.train nsgf.sample
nsgf.metrics nsgf.report nsgf.studies.kind nsgf.registry nsgf.rng nsgf.engine nsgf.config"""

for name in nsgf.__all__:  # imported when asked for; pdoc asks the module's dictionary alone
    setattr(nsgf, name, getattr(nsgf, name))
render.configure(docformat="google", show_source=False)
out, top = Path(sys.argv[1]), f"{Path(__file__).parents[1]}/"
pdoc.pdoc(*PUBLIC.split(), output_directory=out)
for page in filter(Path.is_file, out.rglob("*")):  # values of constants name files of this checkout
    page.write_text(page.read_text().replace(top, ""))
