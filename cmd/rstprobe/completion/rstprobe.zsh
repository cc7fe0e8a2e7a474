#compdef rstprobe
# zsh completion of rstprobe. To use it, write into ~/.zshrc, below compinit:
#   source <(rstprobe completion zsh)
# or put it into a directory of $fpath, as _rstprobe.

_rstprobe() {
    local candidate description
    local -a found
    while IFS=$'\t' read -r candidate description; do
        if [[ $candidate == :files ]]; then # the rest of the word is a path
            compset -P "${(b)description}"
            _files
            return
        fi
        found+=("${candidate//:/\\:}${description:+:$description}")
    done < <("${(Q)words[1]/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    _describe -t rstprobe 'rstprobe' found
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _rstprobe "$@"
else
    compdef _rstprobe rstprobe
fi
