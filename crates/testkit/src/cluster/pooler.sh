# Runs one PgBouncer, and stops it when standard input closes. That happens whenever the test process ends.
#
# sh pooler.sh <the program> <its folder, with pgbouncer.ini>
set -u
program=$1 folder=$2

# A background command has no standard input: keep ours as descriptor 3.
exec 3<&0 </dev/null >"$folder/log" 2>&1

"$program" "$folder/pgbouncer.ini" 3<&- &
pooler=$!

{
    read -r _ <&3
    : >"$folder/abandoned"
    kill -TERM "$pooler" # immediately, despite connected clients
} &
watchdog=$!

wait "$pooler"
kill "$watchdog"
# Delete the folder only after a requested stop. After an error the test process still reads the log.
[ -e "$folder/abandoned" ] && rm -rf "$folder"
