# Runs in the container, on what the session's program will have as stdin, stdout and stderr, and becomes it.
# Arguments: COLSxROWS of its terminal, or `pipes`, or `framed`; any number of NAME=VALUE; --; then the program's argument
# vector, or nothing for the best shell there is. Needs only a POSIX sh. Its own variables carry a prefix, as the program
# inherits what the container had set before.

# The engines set a terminal's size only after the program has started: too late for its first screen.
_porthole_how=$1
case $1 in *x*)
  _porthole_how=unsized
  stty cols "${1%x*}" rows "${1#*x}" 2>/dev/null && _porthole_how=sized
esac
shift

while [ "$1" != -- ]; do
  export "$1"
  shift
done
shift

# Who leads the session, and since which tick (field 22 of stat): a pid alone can be used again.
_porthole_leader() { export "PORTHOLE_SESSION_LEADER=$$:${20}"; }
read -r _porthole_stat 2>/dev/null </proc/self/stat && _porthole_leader ${_porthole_stat##*) }

if [ $# = 0 ]; then
  for _porthole_shell in bash ash sh; do
    command -v "$_porthole_shell" >/dev/null 2>&1 && break
  done
  # Not a login shell: /etc/profile would replace the PATH that the image has set.
  set -- "$_porthole_shell"
fi

# `framed`: nothing on the way can close stdin, so it comes in frames (a length, a newline, so many bytes; 0 is its end).
# They are taken by a program that reads exactly what it is told: busybox's head reads ahead.
if [ "$_porthole_how" = framed ]; then
  for _porthole_take in 'head -c' 'dd iflag=fullblock count=1 bs=' 'dd bs=1 count=' ''; do
    [ "$(printf abcd | { ${_porthole_take}2; printf -; ${_porthole_take}2; } 2>/dev/null)" = ab-cd ] && break
  done
  [ -n "$_porthole_take" ] || _porthole_how=pipes
fi

command -v -- "$1" >/dev/null 2>&1 || { printf '\036porthole missing\036'; exit 127; }
printf '\036porthole ready %s %s\036' "$_porthole_how" "$PORTHOLE_SESSION_LEADER"
[ "$_porthole_how" = framed ] || exec "$@"

# First its own pid; then the frames' content. Told to end, it takes along the program that reads for it: an orphan would
# stay behind as a zombie where the container's first process reaps none.
_porthole_feed() {
  _porthole_busy=
  trap '[ -z "$_porthole_busy" ] || kill $!; wait; exit' TERM
  sh -c 'echo $PPID'
  while read -r _porthole_size && [ "$_porthole_size" != 0 ]; do
    _porthole_busy=1
    ${_porthole_take}$_porthole_size <&3 3<&- &
    wait $! || break
    _porthole_busy=
  done
}

# A shell that waits would say on stderr by which signal the program ended.
_porthole_run() {
  read -r _porthole_feeder
  (exec "$@" 2>&4 4>&-)
  _porthole_code=$?
  kill "$_porthole_feeder"
  exit "$_porthole_code"
}
exec 4>&2 2>/dev/null
_porthole_feed 3<&0 4>&- | _porthole_run "$@"
