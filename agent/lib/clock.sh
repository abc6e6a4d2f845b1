# Spans are measured on the machine's monotonic clock, in hundredths of a second.

# Sets now.
look_at_clock() {
    read -r uptime rest </proc/uptime
    now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

# Usage: until_after SECONDS; sets deadline
until_after() {
    look_at_clock
    deadline=$((now + $1 * 100))
}

# Whether the deadline is over.
is_late() {
    look_at_clock
    [ "$now" -ge "$deadline" ]
}
