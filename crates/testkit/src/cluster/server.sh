# Runs one private PostgreSQL server, and ends it when standard input closes, which happens when the test process
# ends in whatever way, kill -9 included. So nobody has to remember to stop it, and no crash leaves one behind.
#
# sh server.sh <folder of the programs> <folder of its own> <port>
#
# A database cluster that is there already, such as the copy of another one, is started as it is.
set -u
programs=$1 folder=$2 port=$3

# A background command has no standard input of its own: keep it as descriptor 3.
exec 3<&0 </dev/null >>"$folder/log" 2>&1

create() {
    "$programs/initdb" --pgdata="$folder/data" --locale="$1" --encoding=UTF8 --username=postgres \
        --auth-local=trust --auth-host=password --pwfile="$folder/password" --no-sync --no-instructions
}
[ -d "$folder/data" ] || create C.UTF-8 || create C || exit 1 # macOS has no C.UTF-8

# Nothing here outlives a crash, so nothing is synced. Autovacuum would take locks in the middle of a test. A replica that
# is away for a while finds what it missed.
"$programs/postgres" -D "$folder/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
    -c max_connections=200 -c shared_buffers=32MB -c max_wal_size=256MB -c wal_keep_size=64MB \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off \
    -c timezone=UTC -c lc_messages=C 3<&- &
server=$!

{
    read -r _ <&3
    : >"$folder/abandoned"
    kill -QUIT "$server" # at once, without a checkpoint
} &
watchdog=$!

wait "$server"
kill "$watchdog"
# Stopped because nobody needs it, and not by an error that the test process still wants to read about.
[ -e "$folder/abandoned" ] && rm -rf "$folder"
