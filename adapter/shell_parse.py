"""Shell scripts taken apart by a real parser (tree-sitter's grammar of Bash) into the simple commands that they hold.

The parser goes on after what it does not understand: what it does not see as a command is none here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

LONGEST = 20_000
"""What a script does stands at its beginning; the rest of a longer one is mostly the text that it writes."""
_DEEPEST = 60
"""How deep statements may stand in each other: nobody writes more, and what is made to burst is not followed."""

_FOREIGN = re.compile(r"[^\x00-\x7f]")
_STAND_IN = "."
"""What the parser sees for a character that is not of ASCII: it asks C's `isalpha` about each, which reads outside its
table and can end the process. A part of a word and nothing else, as all of them are to Bash; and one byte, so that
places in bytes are places in characters."""

_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)

_COMMANDS = frozenset({"command", "declaration_command", "unset_command", "test_command"})
_SUBSTITUTIONS = frozenset({"command_substitution", "process_substitution", "subshell"})
_SEQUENCES = frozenset(
    ("program", "compound_statement", "subshell", "do_group", "if_statement", "elif_clause", "else_clause", "case_item")
)
_WRITES = frozenset({">", ">>", "&>", "&>>", ">|", ">&"})

_PLAIN_KINDS = frozenset({
    *("program", "list", "pipeline", "command", "command_name", "word", "number", "string", "string_content"),
    *("raw_string", "concatenation", "comment", "simple_expansion", "expansion", "variable_name"),
    *("special_variable_name", "variable_assignment", "redirected_statement", "file_redirect", "file_descriptor"),
    *("test_command", "test_operator", "unary_expression", "binary_expression", "declaration_command"),
})  # fmt: skip
_NOT_PLAIN_SIGNS = frozenset({"&", "|&", "<(", ">(", "$(", "`", "(", ")", "((", "[[", "{", "<<<", "<<"})


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command.

    Attributes:
        words: without their quotes; assignments before the name among them.
        targets: the files that its output goes to.
        given: the text that it reads, where that stands in the script itself.
        joined_by: what stands before it: `|`, `&&`, `||`, `;`, the end of a line, or nothing.
    """

    words: tuple[str, ...]
    targets: tuple[str, ...] = ()
    given: str = ""
    joined_by: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """A script's simple commands, in order.

    Attributes:
        commands: those in conditions, loops, functions and substitutions among them.
        is_plain: nothing else is in it: no substitution, condition or loop, no redirection but to nowhere, nothing
            in the background, and nothing that the parser does not understand.
    """

    commands: tuple[Command, ...]
    is_plain: bool


@lru_cache(maxsize=4096)
def parse(text: str) -> Script:
    """Takes a script apart; of one longer than `LONGEST` the beginning, which is never plain."""
    script = text[:LONGEST]
    root = _parser().parse(_FOREIGN.sub(_STAND_IN, script).encode("ascii")).root_node
    walk = _Walk(script)
    walk.visit(root, 0)
    found = tuple(Command(tuple(one.words), tuple(one.targets), one.given, one.joined_by) for one in walk.found)
    return Script(
        tuple(one for one in found if one.words or one.targets), is_plain=len(text) <= LONGEST and _is_plain(root)
    )


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def unquoted(text: str) -> str:
    """A word without its quotes."""
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", text)


@dataclass(slots=True)
class _Found:
    words: list[str] = field(default_factory=list[str])
    targets: list[str] = field(default_factory=list[str])
    given: str = ""
    joined_by: str = ""


class _Walk:
    """Collects commands; redirections belong to the last command of what they stand behind."""

    def __init__(self, script: str) -> None:
        self._script = script
        self.found: list[_Found] = []
        self._join = ""

    def visit(self, node: Node, depth: int) -> _Found | None:
        """The last command of a node, once all of it were collected."""
        if depth > _DEEPEST:
            return None
        if node.type in _COMMANDS:
            return self._command(node, depth)
        if node.type == "variable_assignment":
            return self._assignment(node, depth)
        if node.type == "redirected_statement":
            return self._redirected(node, depth)
        if not node.is_named:
            if node.type in ("|", "|&", "&&", "||", ";", "&", "\n"):
                self._join = node.type
            return None
        last: _Found | None = None
        for child in node.children:
            if last is not None and child.is_named and not self._join and node.type in _SEQUENCES:
                # The end of a line is no node of its own.
                self._join = "\n"
            last = self.visit(child, depth + 1) or last
        return last

    def _new(self) -> _Found:
        made = _Found(joined_by=self._join)
        self._join = ""
        self.found.append(made)
        return made

    def _command(self, node: Node, depth: int) -> _Found:
        made = self._new()
        for child in node.children:
            if child.type == "file_redirect":
                self._redirect(child, made)
            elif child.type == "herestring_redirect":
                made.given += self._last_text(child)
            elif child.type == "command_name" or node.type != "test_command":
                made.words.append(unquoted(self._text(child)))
            elif not made.words:
                made.words.append("[")
            self._inside(child, depth)
        return made

    def _assignment(self, node: Node, depth: int) -> _Found:
        made = self._new()
        made.words.append(unquoted(self._text(node)))
        self._inside(node, depth)
        return made

    def _redirected(self, node: Node, depth: int) -> _Found | None:
        last: _Found | None = None
        for child in node.children:
            match child.type:
                case "file_redirect":
                    last = last or self._new()
                    self._redirect(child, last)
                    self._inside(child, depth)
                case "herestring_redirect":
                    last = last or self._new()
                    last.given += self._last_text(child)
                case "heredoc_redirect":
                    last = last or self._new()
                    self._document(child, last, depth)
                case _:
                    last = self.visit(child, depth + 1) or last
        return last

    def _document(self, node: Node, reader: _Found, depth: int) -> None:
        """What is read, and what stands behind the mark on the same line."""
        for child in node.children:
            match child.type:
                case "heredoc_body":
                    reader.given += self._text(child)
                case "file_redirect":
                    self._redirect(child, reader)
                case "heredoc_start" | "heredoc_end" | "<<" | "<<-":
                    pass
                case _:
                    self.visit(child, depth + 1)

    def _inside(self, node: Node, depth: int) -> None:
        """The commands that are substituted within a word."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.type in _SUBSTITUTIONS:
                self.visit(one, depth + 1)
            else:
                waiting += reversed(one.children)

    def _redirect(self, node: Node, command: _Found) -> None:
        signs = {child.type for child in node.children if not child.is_named}
        goal = node.children[-1]
        if _WRITES.isdisjoint(signs) or not goal.is_named or (">&" in signs and goal.type == "number"):
            return
        command.targets.append(unquoted(self._text(goal)))

    def _last_text(self, node: Node) -> str:
        return unquoted(self._text(node.children[-1])) if node.children else ""

    def _text(self, node: Node) -> str:
        return self._script[node.start_byte : node.end_byte]


def _is_plain(root: Node) -> bool:
    if root.has_error:
        return False
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type not in _PLAIN_KINDS if node.is_named else node.type in _NOT_PLAIN_SIGNS:
            return False
        if node.type == "file_redirect" and not _goes_nowhere(node):
            return False
        waiting += node.children
    return True


def _goes_nowhere(node: Node) -> bool:
    goal = node.children[-1].text
    signs = {child.type for child in node.children if not child.is_named}
    return goal == b"/dev/null" if ">&" not in signs else goal in (b"1", b"2")
