# fish completion of rstprobe. To use it, once:
#   rstprobe completion fish > ~/.config/fish/completions/rstprobe.fish

function __rstprobe_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    for line in ($program __complete $words "$current" 2>/dev/null)
        set -l parts (string split -m 1 \t -- $line)
        if test "$parts[1]" = :files # the rest of the word is a path
            set -l start (math (string length -- "$parts[2]") + 1)
            for path in (__fish_complete_path (string sub -s $start -- "$current"))
                printf '%s%s\n' "$parts[2]" $path
            end
        else
            printf '%s\n' $line
        end
    end
end

complete -c rstprobe -f -a '(__rstprobe_complete)'
