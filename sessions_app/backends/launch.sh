# Runs in the container, on the session's terminal, and becomes the session's program.
# Arguments: columns, rows, any number of NAME=VALUE, --, then the program's argument vector, or nothing for the
# best shell there is. Needs only a POSIX sh. Its own variables carry a prefix, as the program inherits what the
# container had set before.

# The engines set a terminal's size only after the program has started: too late for its first screen.
_porthole_size=unsized
stty cols "$1" rows "$2" 2>/dev/null && _porthole_size=sized
shift 2

while [ "$1" != -- ]; do
  export "$1"
  shift
done
shift

# Who leads the terminal session, and since which tick (field 22 of stat): a pid alone can be used again.
_porthole_leader() { export "PORTHOLE_SESSION_LEADER=$$:${20}"; }
read -r _porthole_stat 2>/dev/null </proc/self/stat && _porthole_leader ${_porthole_stat##*) }

if [ $# = 0 ]; then
  for _porthole_shell in bash ash sh; do
    command -v "$_porthole_shell" >/dev/null 2>&1 && break
  done
  # Not a login shell: /etc/profile would replace the PATH that the image has set.
  set -- "$_porthole_shell"
fi

command -v -- "$1" >/dev/null 2>&1 || { printf '\036porthole missing\036'; exit 127; }
printf '\036porthole ready %s %s\036' "$_porthole_size" "$PORTHOLE_SESSION_LEADER"
exec "$@"
