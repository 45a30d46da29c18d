# Completion of sqlmigrate for bash: eval "$(sqlmigrate completion bash)", or save it as
# ~/.local/share/bash-completion/completions/sqlmigrate
_sqlmigrate() {
    local kind line value
    local -a lines=()
    while IFS= read -r line; do
        lines+=("$line") # not lines=($(...)), by which an id of `1*` would become the files that it matches
    done < <(_SQLMIGRATE_COMPLETE=1 "${COMP_WORDS[0]}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    kind=${lines[0]}
    COMPREPLY=()
    case $kind in
    files) compopt -o default 2>/dev/null ;;
    folders) compopt -o dirnames 2>/dev/null ;;
    esac
    for line in "${lines[@]:1}"; do
        printf -v value %q "${line%%$'\t'*}"
        COMPREPLY+=("$value")
    done
}
complete -o nosort -F _sqlmigrate sqlmigrate 2>/dev/null || complete -F _sqlmigrate sqlmigrate
