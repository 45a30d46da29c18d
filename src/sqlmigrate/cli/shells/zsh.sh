#compdef sqlmigrate
# Completion of sqlmigrate for zsh: eval "$(sqlmigrate completion zsh)" after compinit, or save it as _sqlmigrate in a
# folder of $fpath
_sqlmigrate() {
    local -a lines values shown
    local line
    lines=("${(@f)$(_SQLMIGRATE_COMPLETE=1 ${(Q)words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    case $lines[1] in
    files) _files; return ;;
    folders) _files -/; return ;;
    esac
    for line in "${(@)lines[2,-1]}"; do
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    compadd -l -V sqlmigrate -d shown -a values
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _sqlmigrate "$@"
else
    compdef _sqlmigrate sqlmigrate
fi
