"""Pages as a real browser shows them: Chromium without a window."""

import os
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium():
    """The program; a test that needs it is skipped where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium or Chrome on the path")
    return None


def start(path, *options, width=1100, height=900, timeout=120):
    """Open a file; returns what the browser prints."""
    arguments = [
        find_chromium(), "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
        "--virtual-time-budget=3000", f"--window-size={width},{height}", *options,
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    done = subprocess.run([*arguments, path.absolute().as_uri()], capture_output=True, timeout=timeout)
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def dom(path, **options):
    """The page after its script has run."""
    return start(path, "--dump-dom", **options)[0]


def measured(path, expression, *, width, folder):
    """The value of an expression of JavaScript on a copy of the page that lets foreign scripts run."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition('<meta http-equiv="Content-Security-Policy"')
    copy = folder / f"measured-{width}.html"
    script = f"<script>addEventListener('load',()=>{{document.title='measured:'+JSON.stringify({expression})}})</script>"
    copy.write_text(before + rest.partition(">")[2].replace("</body>", script + "</body>"), encoding="utf-8")
    shown = dom(copy, width=width)
    return shown.partition("<title>measured:")[2].partition("</title>")[0]
