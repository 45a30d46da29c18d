# Completion of sqlmigrate for fish: sqlmigrate completion fish | source, or save it as
# ~/.config/fish/completions/sqlmigrate.fish
function __sqlmigrate_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (env _SQLMIGRATE_COMPLETE=1 $words 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct) ''
        case '*'
            printf '%s\n' $lines[2..-1]
    end
end
complete -c sqlmigrate -f -k -a '(__sqlmigrate_complete)'
