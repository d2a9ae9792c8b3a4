# Ends the processes of one session in the container where it runs, and reports each on a line of its own:
#   F PID plain|protected COMMAND    found
#   K PID                            SIGKILL was sent
#   A PID                            still alive at the end
#   D                                done
# Arguments: the session's uid; 1 to end protected processes too, else 0; `pid:start` of the terminal session's
# leader, or nothing. It arrives on stdin, so nothing here may read stdin. Needs only a POSIX sh; grep, tr and
# sleep make it faster and more exact.

exec 2>/dev/null
mark="PORTHOLE_SESSION_ID=$1"
end_protected=$2
leader=$3
seen=' '
known=' '
newline='
'
have_tr=; have_grep=
[ "$(printf 'a\0b' | tr '\0' '\n')" = "a${newline}b" ] && have_tr=1
[ "$(printf 'a\0b\0' | grep -czxF b)" = 1 ] && have_grep=1

# stat_of PID: sets state, parent, session and start. The command's name may hold spaces, parentheses and newlines, so
# the fields begin after the last ") ". Fails for a process that is gone; a zombie is gone, too.
stat_of() {
  stat=
  while IFS= read -r line || [ -n "$line" ]; do
    stat="$stat$line "
  done </proc/"$1"/stat || return 1
  set -- ${stat##*) }
  state=$1 parent=$2 session=$4 start=${20}
  case $state in '' | Z | X) return 1 ;; esac
}

# environ_of PID: sets text to its environment, one variable a line; glued together where there is no tr.
environ_of() {
  if [ -n "$have_tr" ]; then
    text=$newline$(tr '\0' '\n' </proc/"$1"/environ)$newline
    return
  fi
  text=
  while IFS= read -r line || [ -n "$line" ]; do
    text="$text$line"
  done </proc/"$1"/environ
}

# find_marked: sets marked to the pids that carry the session's mark.
find_marked() {
  marked=' '
  if [ -n "$have_grep" ]; then
    for file in $(LC_ALL=C grep -lzxF -- "$mark" /proc/[0-9]*/environ); do
      file=${file#/proc/}
      marked="$marked${file%/environ} "
    done
    return
  fi
  for entry in /proc/[0-9]*; do
    environ_of "${entry#/proc/}"
    case $text in
      *"$newline$mark$newline"*) marked="$marked${entry#/proc/} " ;;
      # Glued, the end of the value is not seen; uids all have one length, so none is the beginning of another.
      *"$mark"*) [ -n "$have_tr" ] || marked="$marked${entry#/proc/} " ;;
    esac
  done
}

# find_leader: where the portal does not know the leader (it was restarted), any marked process tells.
find_leader() {
  for pid in $marked; do
    [ -n "$leader" ] && return
    environ_of "$pid"
    case $text in *PORTHOLE_SESSION_LEADER=*)
      text=${text#*PORTHOLE_SESSION_LEADER=}
      leader=${text%%[!0-9:]*}
    esac
  done
}

# find_targets: sets targets to every process of the session: the marked ones, all of its terminal session, the
# descendants of these, so that an emptied environment hides nothing, and those found before: a parent's end
# cuts the line of descent.
find_targets() {
  find_marked
  find_leader
  leader_pid=${leader%%:*}
  # The leader has gone and its pid belongs to somebody else: so does the session of that number.
  if stat_of "${leader_pid:-none}" && [ "$start" != "${leader#*:}" ]; then leader_pid=; fi
  table=; targets=' '; terminal=' '
  for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    stat_of "$pid" || continue
    table="$table$pid:$parent:$start "
    if [ -n "$leader_pid" ] && [ "$session" = "$leader_pid" ]; then terminal="$terminal$pid "; fi
    case "$marked$terminal$known" in
      *" $pid "* | *" $pid:$start "*) targets="$targets$pid " ;;
    esac
  done
  grown=1
  while [ -n "$grown" ]; do
    grown=
    for row in $table; do
      pid=${row%%:*} parent=${row#*:}
      case $targets in
        *" $pid "*) ;;
        *" ${parent%:*} "*) targets="$targets$pid "; grown=1 ;;
      esac
    done
  done
  known=' '
  for row in $table; do
    case $targets in *" ${row%%:*} "*) known="$known${row%%:*}:${row##*:} " ;; esac
  done
  sort_targets
}

# sort_targets: sets plain to the targets that are to end now, and reports those not seen before.
sort_targets() {
  plain=
  for pid in $targets; do
    [ "$pid" = 1 ] || [ "$pid" = $$ ] && continue
    kind=plain
    protected "$pid" && kind=protected
    if [ $kind = plain ] || [ "$end_protected" = 1 ]; then plain="$plain $pid"; fi
    case $seen in *" $pid "*) continue ;; esac
    seen="$seen$pid "
    report "$pid" $kind
  done
}

# protected PID: does it ignore SIGHUP (nohup), or has it left the terminal session (setsid)? The leader never counts.
protected() {
  [ "$1" = "$leader_pid" ] && return 1
  if [ -n "$leader_pid" ]; then
    case $terminal in *" $1 "*) ;; *) return 0 ;; esac
  fi
  while read -r key value; do
    case $key:$value in SigIgn:*[13579bdf]) return 0 ;; esac
  done </proc/"$1"/status
  return 1
}

# report PID KIND
report() {
  command=
  [ -n "$have_tr" ] && command=$(tr '\0\n' '  ' </proc/"$1"/cmdline)
  [ -n "$command" ] || read -r command </proc/"$1"/comm
  printf 'F %s %s %.200s\n' "$1" "$2" "$command"
}

# pause SECONDS: some sleeps know whole seconds only, and some containers have none.
pause() {
  sleep "$1" </dev/null || sleep 1 </dev/null || :
}

# clock: sets now to whole seconds of the machine's uptime; stays where it was without /proc/uptime.
now=0
clock() {
  read -r now _ </proc/uptime
  now=${now%%.*}
}

# wait_for_plain SECONDS...: until none of plain is left, pausing for each of SECONDS in turn. On a machine so busy that
# the pauses take far longer than they say, for two seconds of its clock.
wait_for_plain() {
  clock
  limit=$((now + 2))
  for seconds in "$@"; do
    remaining=
    for pid in $plain; do
      if stat_of "$pid"; then remaining=1; break; fi
    done
    [ -n "$remaining" ] && [ "$now" -le "$limit" ] || return
    pause "$seconds"
    clock
  done
}

main() {
  find_targets
  if [ -n "$plain" ]; then
    kill -HUP $plain
    # A stopped process takes its signal only when it runs again.
    kill -CONT $plain
    wait_for_plain 0.02 0.03 0.05 0.1 0.1 0.2 0.2 0.3
    find_targets
  fi
  for attempt in 1 2 3 4; do
    [ -n "$plain" ] || break
    kill -KILL $plain
    for pid in $plain; do echo "K $pid"; done
    wait_for_plain 0.01 0.02 0.05 0.1 0.2
    find_targets
  done
  for pid in $targets; do echo "A $pid"; done
  echo D
}

main
exit
