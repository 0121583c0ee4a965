# Runs one PgBouncer, and ends it when standard input closes, which happens when the test process ends in whatever way.
#
# sh pooler.sh <the program> <folder of its own, with pgbouncer.ini>
set -u
program=$1 folder=$2

# A background command has no standard input of its own: keep it as descriptor 3.
exec 3<&0 </dev/null >"$folder/log" 2>&1

"$program" "$folder/pgbouncer.ini" 3<&- &
pooler=$!

{
    read -r _ <&3
    : >"$folder/abandoned"
    kill -TERM "$pooler" # at once, whoever is connected
} &
watchdog=$!

wait "$pooler"
kill "$watchdog"
# Stopped because nobody needs it, and not by an error that the test process still wants to read about.
[ -e "$folder/abandoned" ] && rm -rf "$folder"
