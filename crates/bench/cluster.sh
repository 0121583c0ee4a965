# shellcheck shell=bash disable=SC2012,SC2034,SC2154
# Sourced by peers.sh, run-growth and run-paths: starts a cluster in SCRATCH, stops it at the end, and builds the bench.
#   SCRATCH  the cluster and the lines                             PG_BIN, PG_PORT   PostgreSQL's programs; a free port
# It sets $scratch, $port, $base (the server's URL), $bench, $bin, $pg, $preload and $children, and defines admin, long
# and ctl. A streaming replica in $pg/replica is stopped, too.
scratch=${SCRATCH:-${TMPDIR:-/tmp}/rylie-bench}
port=${PG_PORT:-55433}
bin=${PG_BIN:-$(dirname "$(readlink -f "$(type -P pg_ctl || ls -d /usr/lib/postgresql/*/bin/pg_ctl | tail -1)")")}
if [ ! -x "$bin/initdb" ]; then echo "PostgreSQL's programs are not installed; set PG_BIN to their folder" >&2; exit 1; fi
export PATH="$bin:$PATH"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
unset OPS BEHIND_POOLER REPLICA_URLS SERVICE_DATABASE_URL

# PostgreSQL refuses to run as root.
as=(); if [ "$(id -u)" = 0 ]; then as=(runuser -u postgres --); fi
pg="$scratch/pg"
if [ ! -d "$pg/data" ]; then
  mkdir -p "$pg"; if [ "$(id -u)" = 0 ]; then chown postgres "$pg"; fi
  (cd "$pg" && "${as[@]}" "$bin/initdb" -D "$pg/data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 >/dev/null)
  printf "listen_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\n" "$pg" >>"$pg/data/postgresql.conf"
fi
ctl() { # data or replica, what pg_ctl should do
  local server=$1
  shift
  (cd "$pg" && "${as[@]}" "$bin/pg_ctl" -D "$pg/$server" "$@" >/dev/null)
}
stop_servers() {
  local server
  for server in replica data; do
    if ctl "$server" status 2>/dev/null; then ctl "$server" -m fast -w stop || true; fi
  done
}

# What runs in the background, ended by any end of the script. A negative number is a group of processes.
children=()
finish() {
  trap '' INT TERM HUP
  for child in "${children[@]}"; do kill -- "$child" 2>/dev/null || true; done
  stop_servers
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Statistics of statements, which the bench keeps for its bulk workloads only.
preload=
if [ -e "$("$bin/pg_config" --pkglibdir)/pg_stat_statements.so" ]; then
  preload+=" -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track=none"
fi
if ! ctl data status && ! ctl data -l "$pg/log" -o "-p $port$preload" -w start; then
  echo "cannot start PostgreSQL on port $port: see $pg/log, or set PG_PORT to a free port" >&2
  exit 1
fi
# SIGKILL leaves the script no time: this process, in a group of its own, stops the servers after it.
set -m
(
  while kill -0 $$ 2>/dev/null; do sleep 1; done
  stop_servers
) >/dev/null 2>&1 </dev/null &
set +m
children+=($!)

base="postgres://postgres:x@127.0.0.1:$port"
admin() { "$bin/psql" -qX -v ON_ERROR_STOP=1 "$base/postgres" "$@"; }
# Runs a long command. A signal ends the script at once, and the command with it.
long() {
  local status=0
  "$@" &
  children+=($!)
  wait $! || status=$?
  unset 'children[-1]'
  return $status
}

long cargo build --release --quiet --manifest-path "$here/Cargo.toml"
target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$here/Cargo.toml" | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
bench="$target/release/rylie-bench"
