# Removes the folder of a restore, and ends the server and the program on it, when standard input closes. That happens
# whenever the process that made the folder ends, even by kill -9.
#
# sh watchdog.sh <the folder>
folder=$1
trap '' HUP INT TERM

read -r _
# A copy or a program that is not ended yet may write for a while.
for _ in 1 2 3 4 5; do
    [ -e "$folder" ] || exit 0
    group=$(cat "$folder/program.pid" 2>/dev/null) && kill -KILL -"$group" 2>/dev/null
    pid=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
    rm -rf "$folder"
    sleep 1
done
rm -rf "$folder"
