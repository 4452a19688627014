"""A table as CSV, Markdown and HTML; the HTML carries its own style and needs no network."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nsgf.artifact import write_text

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
thead th{border-bottom:2px solid #222}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.note{color:#555}.reproduced,.better{color:#05630a}.worse,.not_reproduced{color:#a01515}
.notrun{color:#999}
""".strip()


@dataclass(frozen=True)
class Page:
    """A table with what stands above it: `found` for machines, `shown` as people read it."""

    title: str
    notes: list[str]
    found: pd.DataFrame
    shown: pd.DataFrame


def csv(found: pd.DataFrame) -> str:
    """Machine-readable table; six significant digits."""
    return found.to_csv(index=False, float_format="%.6g")


def write_forms(outputs: Mapping[str, Path], whole: Page) -> None:
    """Write a table as csv, md and html, each whole or not at all."""
    head = [f"# {whole.title}", "", *(f"- {n}" for n in whole.notes), "", ""]
    write_text(outputs["csv"], csv(whole.found))
    write_text(outputs["md"], "\n".join(head) + markdown_table(whole.shown))
    write_text(outputs["html"], page(whole.title, whole.notes, whole.shown))


def markdown_table(shown: pd.DataFrame) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * len(shown.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in shown.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def page(title: str, notes: list[str], shown: pd.DataFrame) -> str:
    """An HTML page of its own: title, notes, table."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in shown.columns)
    body = "\n".join(
        "<tr>"
        + "".join(_html_cell(c, v) for c, v in zip(shown.columns, row, strict=True))
        + "</tr>"
        for row in shown.itertuples(index=False)
    )
    listed = "".join(f"<li>{html.escape(n)}</li>" for n in notes)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        f'<ul class="note">{listed}</ul>'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></html>\n"
    )


def _html_cell(column: str, value: str) -> str:
    kind = "n" if column in ("NFE", "ours [interval]", "floor", "published", "seeds") else ""
    if column == "verdict":
        kind = value.replace(" ", "")
    return f'<td class="{kind}">{html.escape(value)}</td>'


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
