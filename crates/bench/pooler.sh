# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run-all and run-paths, after cluster.sh: start_pooler starts PgBouncer in transaction mode, and adds its
# version and port to $poolers.
fail() { echo "$(basename "$0"): $*" >&2; exit 1; }
needs_free() { if (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then fail "port $1 is in use; set PG_PORT"; fi; }

# PgBouncer refuses to run as root.
user=(); if [ "$(id -u)" = 0 ]; then user=(-u postgres); fi
poolers=()
start_pooler() { # program, port
  local version settings="$pg/pgbouncer-$2.ini" log="$pg/pgbouncer-$2.log"
  version=$("$1" --version) || fail "cannot run $1: install PgBouncer, or set PGBOUNCER"
  version=${version%%$'\n'*}
  if [[ " ${poolers[*]}" == *" $version:"* ]]; then fail "two programs are $version; name one of each version"; fi
  needs_free "$2"
  printf '"%s" "x"\n' postgres rylie_bench peer_app >"$pg/pgbouncer-users"
  cat >"$settings" <<END
[databases]
* = host=127.0.0.1 port=$port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
unix_socket_dir =
auth_type = trust
auth_file = $pg/pgbouncer-users
pool_mode = transaction
default_pool_size = $POOL_MAX
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
END
  # A group of its own, as the process in cluster.sh that stops the servers.
  set -m
  (
    "$1" "${user[@]}" "$settings" &
    while kill -0 $$ && kill -0 $!; do sleep 1; done
    kill $!
  ) >"$log" 2>&1 </dev/null &
  set +m
  children+=("-$!")
  for _ in $(seq 100); do
    if "$bin/psql" -qX "postgres://rylie_bench:rylie_bench@127.0.0.1:$2/postgres" -c '' 2>/dev/null; then
      poolers+=("$version:$2")
      return
    fi
    sleep 0.1
  done
  fail "$1 does not answer on port $2: see $log, or set PG_PORT"
}
