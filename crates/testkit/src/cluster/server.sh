# Runs one private PostgreSQL server, and stops it when standard input closes. That happens whenever the test process
# ends, even by kill -9, so no crash leaves a server behind.
#
# sh server.sh <folder of the programs> <its folder> <port>
#
# An existing database cluster, such as a copy of another one, is started unchanged.
set -u
programs=$1 folder=$2 port=$3

# A background command has no standard input: keep ours as descriptor 3.
exec 3<&0 </dev/null >>"$folder/log" 2>&1

create() {
    "$programs/initdb" --pgdata="$folder/data" --locale="$1" --encoding=UTF8 --username=postgres \
        --auth-local=trust --auth-host=password --pwfile="$folder/password" --no-sync --no-instructions
}
[ -d "$folder/data" ] || create C.UTF-8 || create C || exit 1 # macOS has no C.UTF-8

# No data outlives a crash, so nothing is synced. Autovacuum would take locks during a test. WAL is kept for a replica
# that is away for a while.
"$programs/postgres" -D "$folder/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
    -c max_connections=200 -c shared_buffers=32MB -c max_wal_size=256MB -c wal_keep_size=64MB \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off \
    -c timezone=UTC -c lc_messages=C 3<&- &
server=$!

{
    read -r _ <&3
    : >"$folder/abandoned"
    kill -QUIT "$server" # immediately, without a checkpoint
} &
watchdog=$!

wait "$server"
kill "$watchdog"
# Delete the folder only after a requested stop. After an error the test process still reads the log.
[ -e "$folder/abandoned" ] && rm -rf "$folder"
