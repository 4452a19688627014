"""`nsgf report`: the report of a finished run, as one page that needs no network."""

from pathlib import Path

from nsgf.artifact import write_text
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops.audit.run import glance
from nsgf.ops.page.arrange import number
from nsgf.ops.page.contents import Contents, place

HERE = Path(__file__).parent


def run(preset: Path, only: str | None = None) -> None:
    """Write results/<preset>/report.html, or report-<study>.html.

    Raises:
        NsgfError: no study of the preset is finished, or a file of it is damaged.
    """
    whole = load(preset, Preset).part(only)
    root = Path(f"results/{whole.name}")
    if not any(Path(Layout(str(root)).table(study)).exists() for study in whole.running):
        every = jobs(whole)
        done = sum(all(Path(path).exists() for path in job.kept) for job in every)
        raise NsgfError(
            f"'{root}' has no table yet: {done} of {len(every)} jobs are done",
            f"make reproduce PRESET={whole.name}",
        )
    page = root / f"report{whole.publication.removeprefix(whole.name)}.html"
    write(page, Contents(whole, root), None if whole.data else glance(whole, preset))
    print(page)


def summary(contents: Contents) -> str:
    """What a run says, in a few lines: verdicts on claims, and each table's sentences."""
    lines = [f"{claim['word']:<18} {claim['text']}" for claim in contents.claims]
    lines += [line for study in contents.studies for line in study.sentences]
    return "\n".join(lines)


def write(page: Path, contents: Contents, verdict: str | None) -> None:
    """Write the page of what a run holds.

    Args:
        verdict: of the audit, in a line; None where it was not asked.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,  # names and titles are a user's
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    technical = page.with_name(page.name.replace("report", "technical", 1))
    text = environment.get_template("page.html").render(
        title=contents.preset.title,
        verdict=verdict,
        contents=contents,
        figures=list(contents.figures()),
        clouds=contents.clouds(),
        place=place,
        number=number,
        style=(HERE / "page.css").read_text(),
        player=(HERE / "player.js").read_text(),
        technical=technical.name if technical.exists() else None,
    )
    write_text(page, text)
