"""Pages as a real browser shows them: Chromium without a window."""

import html
import json
import os
import shutil
import subprocess
from importlib import resources
from importlib.util import find_spec

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium():
    """The program; a test that needs it is skipped where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium or Chrome on the path")
    return None


def start(path, *options, width=1100, height=900, timeout=120, budget=3000):
    """Open a file, or an address; returns what the browser prints.

    :param budget: milliseconds of its own time that the browser waits for scripts
    """
    arguments = [
        find_chromium(), "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
        "--disable-background-networking", f"--virtual-time-budget={budget}", f"--window-size={width},{height}", *options,
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    done = subprocess.run(
        [*arguments, path if isinstance(path, str) else path.absolute().as_uri()],
        capture_output=True,
        timeout=timeout,
    )
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def dom(path, **options):
    """The page after its script has run."""
    return start(path, "--dump-dom", **options)[0]


def dom_of(address, *, language="ja", budget=6000):
    """A page of a server after its script has run, for a reader of a language."""
    return start(address, "--dump-dom", f"--lang={language}", f"--accept-lang={language}", budget=budget)[0]


def _open_to_scripts(path):
    """The page in two parts between which a foreign script may stand."""
    before, _, rest = path.read_text(encoding="utf-8").partition('<meta http-equiv="Content-Security-Policy"')
    head, _, tail = (before + rest.partition(">")[2]).rpartition("</body>")
    return head, tail


def violations(path, *, folder, width=1100, dark=False):
    """What axe finds on a page: ``[impact, rule, elements]``, none where it is fine."""
    package = next((name for name in ("axe_playwright_python", "axe_core_python") if find_spec(name)), None)
    if package is None:
        pytest.skip("needs axe-core-python")
    axe = (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")
    shown = "r.violations.map(v=>[v.impact,v.id,v.nodes.map(n=>n.html.slice(0,200))])"
    script = f"<script>{axe}</script><script>addEventListener('load',async()=>{{const r=await axe.run(document);document.title='axe:'+JSON.stringify({shown})}})</script>"
    head, tail = _open_to_scripts(path)
    copy = folder / "axe.html"
    copy.write_text(f"{head}{script}</body>{tail}", encoding="utf-8")
    options = ["--dump-dom", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
    found = start(copy, *options, width=width)[0].partition("<title>axe:")[2].partition("</title>")[0]
    return json.loads(html.unescape(found))


def measured(path, expression, *, width, folder):
    """The value of an expression of JavaScript on a copy of the page that lets foreign scripts run."""
    head, tail = _open_to_scripts(path)
    copy = folder / f"measured-{width}.html"
    script = f"<script>addEventListener('load',()=>{{document.title='measured:'+JSON.stringify({expression})}})</script>"
    copy.write_text(f"{head}{script}</body>{tail}", encoding="utf-8")
    shown = dom(copy, width=width)
    return shown.partition("<title>measured:")[2].partition("</title>")[0]
