#!/usr/bin/env bash
# The tests that need no PyTorch, on Python 3.13 where that is to be had: its build of PyTorch there is 3 GB.
set -euo pipefail
cd "$(dirname "$0")/../.."

ENVIRONMENT="$PWD/build/without-torch"
python="$(command -v python3.13 || true)"
if [ -z "$python" ] || ! "$python" --version > /dev/null 2>&1; then
    # pyenv's command of that name needs a version that is chosen.
    python="$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13 2> /dev/null | tail -1 || true)"
fi
if [ -z "$python" ]; then
    echo "there is no Python 3.13: skipped"
    exit 0
fi
if [ ! -e "$ENVIRONMENT/installed" ] || [ requirements.lock -nt "$ENVIRONMENT/installed" ]; then
    "$python" -m venv --clear "$ENVIRONMENT"
    # All versions are pinned: nothing is to be resolved.
    grep -v "^torch==" requirements.lock > "$ENVIRONMENT/requirements.txt"
    "$ENVIRONMENT/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$ENVIRONMENT/requirements.txt"
    touch "$ENVIRONMENT/installed"
fi
exec "$ENVIRONMENT/bin/python" -m pytest -m "not slow" tests/io tests/metrics tests/scoring tests/datasets tests/figures tests/report \
    tests/test_architecture.py tests/test_parameters.py --deselect \
    tests/datasets/test_bands_of_folders.py::test_label_maps_are_zero_where_there_is_no_data "$@"
