# What operators read. ocf_exit_reason shows in crm_mon beside the failed action.

say() {
    ocf_log info "$*"
}

warn() {
    ocf_log warn "$*"
}

# Usage: fail REASON...; for an action that ends with an error
fail() {
    ocf_exit_reason "$*"
    ocf_log err "$*"
}
