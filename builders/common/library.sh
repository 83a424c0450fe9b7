# Sourced by ../common.sh. The image half of our own package, and whether the daemon in it gets on with what is installed.
# shellcheck shell=bash

# begin_library DIR: DIR/lib in place of what may be there. With bytecode, so that not every build and every start has to
# compile it; meanwhile packages can be installed.
begin_library() {
    library=$TRAINYARD_HOME/lib
    rm -rf "$library"
    cp -R "$1/lib" "$library"
    # The order of a set is part of the bytecode, and shall be the same every time.
    PYTHONHASHSEED=0 "$VENV/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$library" &
    compiling=$!
    settled+=("$TRAINYARD_HOME")
}

# end_library: the daemon learns once whether it gets on with the packages of each environment, so that not every edit has to
# try (trainyard/image/check_wiring.py); where it does not, or nothing is installed yet: no matter, the wiring's check will say so.
end_library() {
    local each first=${VENV%-[0-9]*}
    wait "$compiling" || die "$library: cannot be compiled"
    for each in "$first" "$first"-*; do
        if [ ! -f "$each/.trainyard-deps" ]; then continue; fi
        rm -f "$each/.trainyard-daemon"
        PYTHONPATH=$library "$each/bin/python" -m trainyard.image.check_wiring daemon 2>/dev/null &
        if [ "$each" != "$VENV" ]; then settled+=("$each"); fi
    done
}
