#!/bin/sh
# Look at the report and the viewer in headless Chromium. Debian's chromium and PyPI's selenium are installed where they are missing.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
tools=${BROWSER_TOOLS:-build/browser}

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends chromium chromium-driver
fi
# Beside the environment, not in it: only this script needs them.
[ -d "$tools/selenium" ] || "$python" -m pip install --quiet --target "$tools" "selenium>=4.25,<5"
PYTHONPATH="$tools:tests/browser" exec "$python" -m pytest -p chromium -W default tests/browser/*_in_browser.py "$@"
