"""The scripts for each shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence

from slugc.completion.words import CommandOption, CommandWords

Script = Callable[[Sequence[CommandWords]], str]

_BASH = """\
# bash completion for slugc. To have it in every shell:
#   slugc completion bash > ~/.local/share/bash-completion/completions/slugc
_slugc() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at=slugc i
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$at ${COMP_WORDS[i]}" in
        @COMMANDS@) at="$at ${COMP_WORDS[i]}" ;;
        esac
    done
    COMPREPLY=()
    case "$at:$prev" in
@VALUES@
    esac
    local words= files=
    case "$at" in
@WORDS@
    esac
    if [[ $cur == -* ]]; then
        words=${words#*|}
    else
        words=${words%%|*}
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ $files && $cur != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _slugc slugc
"""
_BASH_FILES = """\
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;"""


def bash_script(commands: Sequence[CommandWords]) -> str:
    """For bash 4 or newer, with or without the package bash-completion."""
    values, words = [], []
    for command in commands:
        for choices, names in _grouped(command.options):
            what = f'mapfile -t COMPREPLY < <(compgen -W {_quoted(" ".join(choices))} -- "$cur")'
            values.append(f"    {_cases(command, names)})\n        {what}\n        return ;;")
        if files := _names(each for each in command.options if each.is_file):
            values.append(f"    {_cases(command, files)})\n{_BASH_FILES}")
        if others := _names(filter(_is_free, command.options)):
            values.append(f"    {_cases(command, others)}) return ;;")
        options = _names(command.options)
        listed = f"{' '.join((*command.commands, *command.choices))}|{' '.join(options)}"
        is_file = " files=1" if command.is_file else ""
        words.append(f"    {_quoted(command.called)}) words={_quoted(listed)}{is_file} ;;")
    return _filled(_BASH, commands, VALUES="\n".join(values), WORDS="\n".join(words))


_ZSH = """\
#compdef slugc
# zsh completion for slugc. To have it in every shell, in a directory of $fpath:
#   slugc completion zsh > ~/.zsh/completions/_slugc
_slugc() {
    local at=slugc i prev=$words[CURRENT-1]
    for ((i = 2; i < CURRENT; i++)); do
        case "$at $words[i]" in
        @COMMANDS@) at="$at $words[i]" ;;
        esac
    done
    case "$at:$prev" in
@VALUES@
    esac
    local -a commands options
    local files=
    case "$at" in
@WORDS@
    esac
    if [[ $words[CURRENT] == -* ]]; then
        _describe -o 'option' options
    else
        (( $#commands )) && _describe 'command' commands
        [[ -n $files ]] && _files
    fi
}
if [[ $funcstack[1] == _slugc ]]; then
    _slugc "$@"
else
    compdef _slugc slugc
fi
"""


def zsh_script(commands: Sequence[CommandWords]) -> str:
    """For zsh, sourced or from $fpath."""
    helps = {command.path: command.help for command in commands}
    values, words = [], []
    for command in commands:
        for choices, names in _grouped(command.options):
            what = f"compadd -- {' '.join(map(shlex.quote, choices))}"
            values.append(f"    {_cases(command, names)}) {what}; return ;;")
        if files := _names(each for each in command.options if each.is_file):
            values.append(f"    {_cases(command, files)}) _files; return ;;")
        if others := _names(filter(_is_free, command.options)):
            values.append(f"    {_cases(command, others)}) return ;;")
        below = [(name, helps[*command.path, name]) for name in command.commands]
        below += [(word, "") for word in command.choices]
        options = [(name, each.help) for each in command.options for name in each.names]
        body = [
            f"        commands=({_described(below)})",
            f"        options=({_described(options)})",
        ]
        body += ["        files=1"] * command.is_file
        words.append("\n".join([f"    {_quoted(command.called)})", *body, "        ;;"]))
    return _filled(_ZSH, commands, VALUES="\n".join(values), WORDS="\n".join(words))


_FISH = """\
# fish completion for slugc. To have it in every shell:
#   slugc completion fish > ~/.config/fish/completions/slugc.fish
function __slugc_at --description 'Whether these are the command words so far'
    set -l at slugc
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case @COMMANDS@
                set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
complete -c slugc -e
complete -c slugc -f
@WORDS@
"""


def fish_script(commands: Sequence[CommandWords]) -> str:
    """For fish 3 or newer."""
    helps = {command.path: command.help for command in commands}
    lines = []
    for command in commands:
        start = f"complete -c slugc -n {_quoted(f'__slugc_at {command.called}')}"
        for name in command.commands:
            lines.append(f"{start} -a {name} -d {_quoted(helps[*command.path, name])}")
        if command.choices:
            lines.append(f"{start} -a {_quoted(' '.join(command.choices))}")
        if command.is_file:
            lines.append(f"{start} -F")
        lines += [f"{start} {_fish_option(option)}" for option in command.options]
    return _filled(_FISH, commands, between=" ", WORDS="\n".join(lines))


def _fish_option(option: CommandOption) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    takes = ""
    if option.choices:
        takes = f" -x -a {_quoted(' '.join(option.choices))}"
    elif option.takes_value:
        takes = " -r -F" if option.is_file else " -x"
    return f"{names}{takes} -d {_quoted(option.help)}"


SCRIPTS: Mapping[str, Script] = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}


def _grouped(
    options: Iterable[CommandOption],
) -> Iterable[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.choices, each.names) for each in options if each.choices]


def _is_free(option: CommandOption) -> bool:
    return option.takes_value and not option.choices and not option.is_file


def _names(options: Iterable[CommandOption]) -> tuple[str, ...]:
    return tuple(name for each in options for name in each.names)


def _cases(command: CommandWords, names: Sequence[str]) -> str:
    return "|".join(_quoted(f"{command.called}:{name}") for name in names)


def _described(words: Iterable[tuple[str, str]]) -> str:
    """``word:what it is``, as _describe takes them."""
    return " ".join(_quoted(f"{word}:{what}".rstrip(":")) for word, what in words)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}") + "'"


def _filled(
    script: str, commands: Sequence[CommandWords], *, between: str = "|", **parts: str
) -> str:
    called = between.join(_quoted(each.called) for each in commands if len(each.path) > 1)
    for name, text in {"COMMANDS": called, **parts}.items():
        script = script.replace(f"@{name}@", text)
    return script
