"""A report of make ci-report as a pull request shows it: ``python -m tools.report_picture <report.md> <picture.png>``.

The pictures of the report are drawn from their paths, as seen from the report. It needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

WIDTH = 900  # pixels, about that of a comment
STYLE = """
body { font: 14px/1.5 'DejaVu Sans', sans-serif; color: #1f2328; margin: 24px; width: 852px }
h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: 6px } img { max-width: 49% }
code { background: #eff1f3; border-radius: 6px; padding: 2px 5px; font-size: 85% }
table { border-collapse: collapse; margin: 12px 0 } td, th { border: 1px solid #d1d9e0; padding: 5px 13px }
"""


def draw(report: Path, picture: Path) -> None:
    """Write the picture."""
    from playwright.sync_api import sync_playwright

    # GitHub and GitLab show HTML of this kind; `markdown.py` lets no other through.
    shown = MarkdownIt("gfm-like", {"linkify": False, "html": True}).enable("table").render(report.read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=report.parent) as page, sync_playwright() as playwright:
        page.write(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{shown}")
        page.flush()
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": 100})
        tab.goto(f"file://{page.name}", wait_until="load")
        tab.screenshot(path=picture, full_page=True)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"error: two arguments are needed: {(__doc__ or '').partition('``')[2].partition('``')[0]}")
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
