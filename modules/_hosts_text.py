"""The text of a hosts(5) file: what its lines say, and the same text with a name more or less. Pure."""

from __future__ import annotations

from collections.abc import Iterator


def entries(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The address and the names of each line that has any."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1:
            yield words[0], tuple(words[1:])


def addresses(text: str, name: str) -> tuple[str, ...]:
    """The addresses whose lines have NAME, in their order."""
    return tuple(dict.fromkeys(ip for ip, names in entries(text) if name in names))


def names(text: str, ip: str) -> tuple[str, ...]:
    """The names on the lines of the address IP, in their order."""
    return tuple(dict.fromkeys(name for other, found in entries(text) if other == ip for name in found))


def with_name(text: str, ip: str, name: str) -> str:
    """TEXT with NAME for IP: on the first line of IP, else on a new line."""
    if name in names(text, ip):
        return text
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        body, mark, comment = line.rstrip("\n").partition("#")
        if body.split()[:1] == [ip]:
            blank = body[len(body.rstrip()) :]
            lines[number] = f"{body.rstrip()} {name}{blank if mark else ''}{mark}{comment}\n"
            return "".join(lines)
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{ip}\t{name}\n"


def without_name(text: str, ip: str, name: str) -> str:
    """TEXT without NAME for IP; a line that has no name then goes."""
    kept = []
    for line in text.splitlines(keepends=True):
        body, mark, comment = line.rstrip("\n").partition("#")
        words = body.split()
        if words[:1] == [ip] and name in words[1:]:
            left = [word for word in words[1:] if word != name]
            if not left:
                continue
            tail = f" {mark}{comment}" if mark else ""
            line = f"{ip}\t{' '.join(left)}{tail}\n"
        kept.append(line)
    return "".join(kept)


def with_names(text: str, ip: str, wanted: tuple[str, ...]) -> str:
    """TEXT with WANTED, and no others, for IP."""
    for name in names(text, ip):
        if name not in wanted:
            text = without_name(text, ip, name)
    for name in wanted:
        text = with_name(text, ip, name)
    return text
