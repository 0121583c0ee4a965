# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run-all and run-parts: starts the cluster, builds the peers in the folder $peers, and fills the databases
# bench_full (with our tables) and bench_base (with the base's). $far is the way to the server. Each client works on its
# copy: bench_rylie, bench_sqlx, bench_prisma, bench_base_sqlx.
if [ ! -x "$peers/raw-sqlx/run.sh" ] || [ ! -x "$peers/prisma/run.sh" ]; then
  echo "$peers has no raw-sqlx/run.sh and prisma/run.sh; pass the folder of the peers" >&2
  exit 2
fi
# shellcheck source=cluster.sh
. "$here/cluster.sh"
export RUN_S=${RUN_S:-4} WARM_S=${WARM_S:-1.5} REPS=${REPS:-3} POOL_MAX=${POOL_MAX:-10}
far=$base

# Our service goes that way. The owner's statements, which are not measured, do not.
ours() {
  DATABASE_URL="$base/bench_rylie" SERVICE_DATABASE_URL="${far/postgres:x@/rylie_bench:rylie_bench@}/bench_rylie" \
    "$bench" "$@" || echo "failed: $*" >&2
}
# Two workloads use the base's tables: lists, for the base's indexes, and a request with its tasks in one statement,
# which our triggers reject.
sqlx() {
  local of=bench_sqlx; case "$*" in *_1stmt* | *list_page_*) of=bench_base_sqlx ;; esac
  PEER_WORK="$scratch/raw-sqlx" CARGO_TARGET_DIR="$scratch/raw-sqlx/target" DATABASE_URL="$far/$of" "$peers/raw-sqlx/run.sh" "$@"
}
prisma() { PEER_WORK="$scratch/prisma" DATABASE_URL="$far/${of:-bench_prisma}" "$peers/prisma/run.sh" "$@"; }
sqlx setup
prisma setup

for database in bench_full bench_base; do
  if [ -z "$(admin -Atc "SELECT 1 FROM pg_database WHERE datname = '$database'")" ]; then admin -c "CREATE DATABASE $database"; fi
done
DATABASE_URL="$base/bench_full" "$bench" prepare
of=bench_full prisma prepare
export SCHEMA_SQL="$scratch/base.sql"
sed 's/^-- statement$/;/' "$here/../../migration/src/migrations/m20261123_000001_create_base_tables/postgres.sql" >"$SCHEMA_SQL"
(echo ';'; grep '^ALTER TABLE' "$here/src/dataset.sql") >>"$SCHEMA_SQL"
of=bench_base prisma prepare
