#!/bin/sh
# Make the virtual environment where it is not there, and install a part of the requirements into it where it is not.
#
#     sh requirements/install.sh python3.11 .venv convert
#
# One installation at a time: the kernel locks the folder that holds the environment, and lets go when the process ends. One
# that was killed is mended by the next: a part counts once its stamp is there, an environment once its last file is.
set -eu
python=$1 venv=$2 part=${3:-}

made() {
    [ -e "$venv/bin/activate" ] && [ -e "$venv/bin/python" ]
}

if ! made; then
    "$python" -c 'import platform as p, sys
ok = sys.version_info[:2] in ((3, 11), (3, 12)) and (p.system(), p.machine()) == ("Linux", "x86_64")
ok or sys.exit("error: needs Python 3.11 or 3.12 on Linux x86-64, not Python " + p.python_version() + " on " + p.system() + " "
               + p.machine() + "; name an interpreter with PYTHON=")'
fi
mkdir -p "$venv"
exec 9<"$venv/.."
flock -n 9 || {
    echo "another installation into $venv is running; waiting for it to end"
    flock 9
}
if ! made; then
    echo "making $venv"
    if [ -e "$venv/bin/activate" ]; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --clear "$venv"  # what a killed one left is no beginning
    fi
fi
if [ -n "$part" ] && ! [ "$venv/$part" -nt "requirements/$part.txt" ]; then
    echo "installing requirements/$part.txt into $venv (once)"
    # All that conversion needs is pinned. onnx2tf asks for onnxsim, which it is told not to call and Python 3.12 has not.
    [ "$part" = convert ] && alone=--no-deps || alone=
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --progress-bar on $alone \
        -r "requirements/$part.txt" -c requirements/convert.txt || {
        echo "error: requirements/$part.txt could not be installed into $venv; run it again where there is a network" >&2
        exit 1
    }
    touch "$venv/$part"
fi
