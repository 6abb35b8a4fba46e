#!/usr/bin/env bash
# The tests that need optional packages (GeoTIFF, GeoPackage, Parquet, HEIC, OME, COCO's own library, napari).
# In an environment of its own, which sees that of `make test`; Debian's libraries for Qt are installed where they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

BASE="$PWD/.venv"
EXTRAS="$BASE/extras"
if ! command -v xvfb-run > /dev/null || ! ldconfig -p | grep -q libEGL.so.1 || ! ldconfig -p | grep -q libxcb-cursor.so.0 || ! ldconfig -p | grep -q libxkbcommon.so.0 || ! ldconfig -p | grep -q libdbus-1.so.3; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 \
        xvfb xauth libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 \
        libxkbcommon-x11-0 libgl1-mesa-dri > /dev/null
fi
if [ ! -e "$EXTRAS/installed" ] || [ requirements-extras.lock -nt "$EXTRAS/installed" ]; then
    "$BASE/bin/python" -m venv "$EXTRAS"
    packages="$("$BASE/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    # Also what the files for the path in there say: where dynseg itself lies.
    echo "import site; site.addsitedir('$packages')" > "$("$EXTRAS/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
    # All versions are pinned: nothing is to be resolved.
    "$EXTRAS/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-extras.lock
    touch "$EXTRAS/installed"
fi
export QT_QPA_PLATFORM=offscreen
# A real window, in a screen that is none: slow, and napari is in this environment alone.
"$EXTRAS/bin/python" -m pytest tests/napari_plugin/test_napari_window.py
exec "$EXTRAS/bin/python" -m pytest -m "not slow" tests/own_images tests/napari_plugin tests/io/test_kinds_of_files.py \
    tests/io/test_ome_zarr.py tests/io/test_pixel_sizes.py tests/test_masks.py tests/test_trade_pages.py tests/test_documents.py "$@"
