"""The scripts of bash and zsh, and what these shells and fish need beyond click's.

Bash splits a word at an equals sign and replaces only what follows it; zsh and fish replace the whole word.
Bash and zsh add a space to a unique completion, which is wrong after `KEY=`. Scripts of click that are
already installed work, too.
"""

import os
from typing import Any, ClassVar, Final

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

BASH_SCRIPT: Final = """\
%(complete_func)s() {
    local line type value

    COMPREPLY=()
    while IFS= read -r line; do
        type=${line%%%%,*}
        value=${line#*,}
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            [[ $value == *= ]] && compopt -o nospace
            COMPREPLY+=("$value")
        fi
    done < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
%(complete_var)s=bash_complete "$1" 2>/dev/null)

    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

ZSH_SCRIPT: Final = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a names described prefixes response
    local type key descr
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")

    for type key descr in ${response}; do
        if [[ "$type" == "plain" ]]; then
            if [[ "$key" == *= ]]; then
                prefixes+=("$key")
            elif [[ "$descr" == "_" ]]; then
                names+=("$key")
            else
                described+=("$key":"$descr")
            fi
        elif [[ "$type" == "dir" ]]; then
            _path_files -/
        elif [[ "$type" == "file" ]]; then
            _path_files -f
        fi
    done

    if [ -n "$described" ]; then
        _describe -V unsorted described -U
    fi
    if [ -n "$names" ]; then
        compadd -U -V unsorted -a names
    fi
    if [ -n "$prefixes" ]; then
        compadd -U -V unsorted -S '' -a prefixes
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    # autoload from fpath, call function directly
    %(complete_func)s "$@"
else
    # eval/source/. command, register function for later
    compdef %(complete_func)s %(prog_name)s
fi
"""


class Bash(BashComplete):
    source_template: ClassVar[str] = BASH_SCRIPT
    _typed = ""
    """The whole word at the cursor."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        position = int(os.environ["COMP_CWORD"])
        joined = join_at_equals(words[1 : position + 1])
        self._typed = joined.pop() if position < len(words) and joined else ""
        return joined, self._typed

    def format_completion(self, item: CompletionItem[Any]) -> str:
        before, equals, after = str(item.value).rpartition("=")
        typed_before, typed_equals, _ = self._typed.rpartition("=")
        if equals and typed_equals and typed_before.endswith(before):
            return f"{item.type},{after}"
        return f"{item.type},{item.value}"


class _OptionValues(ShellComplete):
    """Completes the value in `--option=value`, with the option before it."""

    _option = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        arguments, typed = super().get_completion_args()
        self._option = find_option(typed)
        return arguments, typed

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(prepend_option(self._option, item))


class Zsh(_OptionValues, ZshComplete):
    source_template: ClassVar[str] = ZSH_SCRIPT


class Fish(_OptionValues, FishComplete):
    pass


def find_option(typed: str) -> str:
    """The option of `--option=value`, with the equals sign. Empty without one."""
    option, equals, _ = typed.partition("=")
    return option + equals if equals and option.startswith("-") else ""


def prepend_option(option: str, item: CompletionItem[str]) -> CompletionItem[str]:
    """The item with the option before its value: zsh and fish replace the whole word."""
    if not option or item.type != "plain":
        return item
    return CompletionItem(option + item.value, help=item.help)


def join_at_equals(words: list[str]) -> list[str]:
    """The words with those joined that bash has split at an equals sign."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def register_shells() -> None:
    """Replace click's shells."""
    add_completion_class(Bash)
    add_completion_class(Fish)
    add_completion_class(Zsh)
