# Helpers of node-start. Sourced, as is everything in this folder.

fail() {
    echo "node-start: $*" >&2
    exit 1
}

# Write standard input to a file: the old content or the new one, never half of it.
# Usage: write FILE OWNER:GROUP MODE
write() {
    mkdir -p "$(dirname "$1")"
    cat >"$1.draft"
    chown "$2" "$1.draft"
    chmod "$3" "$1.draft"
    mv "$1.draft" "$1"
}

# The Postgres nodes, by position.
member_names() {
    for member in $CLUSTER_MEMBERS; do echo "${member%%=*}"; done
}

member_addresses() {
    for member in $CLUSTER_MEMBERS; do echo "${member#*=}"; done
}

member_count() {
    echo $(($(member_names | wc -l)))
}

# Usage: joined SEPARATOR, words on standard input, one per line
joined() {
    paste -s -d "$1" -
}
