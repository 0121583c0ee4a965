# Runs one private PostgreSQL server for a drill, and stops it when standard input closes. That happens whenever the
# process that started it ends, even by kill -9: no server and no copy of the data stays.
#
# sh private_server.sh <initdb> <postgres> <its folder>
set -u
initdb=$1 postgres=$2 folder=$3

# A background command has no standard input: keep ours as descriptor 3.
exec 3<&0 </dev/null >"$folder/log" 2>&1

"$initdb" --pgdata="$folder/data" --locale=C --encoding=UTF8 --username=postgres --auth=trust --no-sync \
    --no-instructions || exit 1

# The copy is thrown away: nothing is synced, archived or replicated. Statements, which may hold values, are not logged.
"$postgres" -D "$folder/data" -p 5432 -c listen_addresses= -c unix_socket_directories="$folder" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off \
    -c archive_mode=off -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB -c shared_buffers=64MB \
    -c dynamic_shared_memory_type=mmap -c timezone=UTC -c lc_messages=C \
    -c log_min_messages=fatal -c log_min_error_statement=panic 3<&- &
server=$!

{
    read -r _ <&3
    : >"$folder/stopped"
    # A server that is only starting ignores the signal.
    while kill -QUIT "$server"; do sleep 1; done
} &
watchdog=$!

wait "$server"
kill "$watchdog"
# After an error the caller still reads the log.
[ -e "$folder/stopped" ] && rm -rf "$folder"
