package manual

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is the completion script for bash. It needs no package bash-completion, and
// nothing newer than bash 3.2.

const bashHead = `# Completion of %[1]s for bash, made by "%[1]s completion bash". To use it:
#     source <(%[1]s completion bash)

_%[1]s_flag() { # whether the flag $2 of the command $1 takes a value
	case "$1:$2" in
%[2]s	*) return 1 ;;
	esac
}

_%[1]s_value() { # completes the value of the flag $2 of the command $1
	case "$1:$2" in
%[3]s	esac
}

_%[1]s_words() { # completes words and flags of the command $1
	case "$1" in
%[4]s	esac
}

_%[1]s_command() { # whether there is a command $1
	case "$1" in
%[5]s	*) return 1 ;;
	esac
}

_%[1]s_files() {
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "$1"))
}

_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} command= flag= word i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		=) continue ;; # bash cuts --flag=value into three words
		esac
		if [[ -n $flag ]]; then # the value of the flag before
			flag=
			continue
		fi
		case $word in
		--) return ;;
		-*) if _%[1]s_flag "$command" "$word"; then flag=$word; fi ;;
		*) if _%[1]s_command "${command:+$command }$word"; then command="${command:+$command }$word"; fi ;;
		esac
	done
	if [[ $cur == = ]]; then cur=; fi
	if [[ -n $flag ]]; then
		_%[1]s_value "$command" "$flag"
	else
		_%[1]s_words "$command"
	fi
}

complete -F _%[1]s %[1]s
`

func bash(app *kong.Application) string {
	var valued, values, of, names strings.Builder
	for _, n := range append([]*kong.Node{app.Node}, commands(app.Node)...) {
		path := strings.Join(words(n), " ")
		if path != "" {
			fmt.Fprintf(&names, "\t%q) ;;\n", path)
		}
		var offered []string
		for _, c := range n.Children {
			if !c.Hidden {
				offered = append(offered, c.Name)
			}
		}
		files := false
		for _, p := range n.Positional {
			offered = append(offered, choices(p)...)
			files = files || isFile(p.Tag.PlaceHolder)
		}
		for _, f := range flags(n) {
			offered = append(offered, "--"+f.Name)
			if !takesValue(f) {
				continue
			}
			fmt.Fprintf(&valued, "\t%q) ;;\n", path+":--"+f.Name)
			switch list := choices(f.Value); {
			case list != nil:
				fmt.Fprintf(&values, "\t%q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", path+":--"+f.Name, strings.Join(list, " "))
			case isFile(f.PlaceHolder):
				fmt.Fprintf(&values, "\t%q) _%s_files \"$cur\" ;;\n", path+":--"+f.Name, app.Name)
			}
		}
		complete := fmt.Sprintf("COMPREPLY=($(compgen -W %q -- \"$cur\"))", strings.Join(offered, " "))
		if files {
			complete = fmt.Sprintf("if [[ $cur == -* ]]; then %s; else _%s_files \"$cur\"; fi", complete, app.Name)
		}
		fmt.Fprintf(&of, "\t%q) %s ;;\n", path, complete)
	}
	return fmt.Sprintf(bashHead, app.Name, valued.String(), values.String(), of.String(), names.String())
}
