# bash completion of rstprobe. To use it, write into ~/.bashrc:
#   source <(rstprobe completion bash)

_rstprobe() {
    # Bash cuts words at the characters of COMP_WORDBREAKS, such as = and :,
    # which flags and targets contain: put together what no blank separates.
    local line=${COMP_LINE:0:COMP_POINT} words=() piece blanks i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${line%%[![:space:]]*}
        line=${line#"$blanks"}
        piece=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)); then piece=$line; fi # only as far as the cursor
        line=${line#"$piece"}
        if [[ -n $blanks || $i -eq 0 ]]; then
            words+=("$piece")
        else
            words[${#words[@]} - 1]+=$piece
        fi
    done

    # Of the last word, only what follows the last cut is replaced, and an @
    # in front of that.
    local cur=${words[${#words[@]} - 1]} kept
    if [[ $piece == *[!=:@]* ]]; then kept=${cur%"$piece"}; else kept=$cur; fi
    kept=${kept%@}

    local candidate description path
    COMPREPLY=()
    while IFS=$'\t' read -r candidate description; do
        if [[ $candidate == :files ]]; then # the rest of the word is a path
            compopt -o filenames 2>/dev/null
            while IFS= read -r path; do
                path=$description$path
                COMPREPLY+=("${path#"$kept"}")
            done < <(compgen -f -- "${cur#"$description"}")
        else
            COMPREPLY+=("${candidate#"$kept"}")
        fi
    done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _rstprobe rstprobe
