"""Jinja filters of Salt that turn one value into text: serialising, quoting, regular expressions, encoding, digests."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

_UUID_NAMESPACE = "91633ebf-1c86-5e33-935a-28061f4b480e"


def yaml_(value: Any, flow_style: bool = True) -> str:
    """VALUE as YAML; on one line unless FLOW_STYLE is false."""
    text = _dump(value, default_flow_style=flow_style)
    return text.removesuffix("...\n").strip("\n") if flow_style else text.removesuffix("...\n").rstrip("\n")


def json_(value: Any, sort_keys: bool = True, indent: int | None = None) -> str:
    """VALUE as JSON, keys sorted unless SORT_KEYS is false."""
    import json

    return json.dumps(_plain(value), sort_keys=sort_keys, indent=indent, ensure_ascii=False)


def xml(value: Any) -> str:
    """VALUE, a mapping of one name, as XML: scalars are attributes, mappings and the members of lists elements."""
    from xml.etree import ElementTree

    if not isinstance(value, Mapping) or len(value) != 1:
        raise TypeError("xml takes a mapping of one name, the root, to what is in it")
    root = ElementTree.Element("root")
    _fill_element(root, value)
    ElementTree.indent(root[0], " ")
    return '<?xml version="1.0" ?>\n' + ElementTree.tostring(root[0], "unicode").strip()


def _fill_element(element: Any, value: Any) -> None:
    """Put VALUE, the members of a mapping or a scalar, into an XML ELEMENT."""
    from xml.etree import ElementTree

    if not isinstance(value, Mapping):
        element.text = str(value)
        return
    for name, inner in value.items():
        if not isinstance(inner, Mapping | list | tuple):
            element.set(str(name), str(inner))
            continue
        for member in inner if isinstance(inner, list | tuple) else [inner]:
            _fill_element(ElementTree.SubElement(element, str(name)), member)


def python(value: Any) -> str:
    """VALUE as Python writes it."""
    import pprint

    return pprint.pformat(_plain(value))


def load_yaml(text: Any) -> Any:
    """What the YAML in TEXT means."""
    from saltern.sls.source import Source
    from saltern.sls.yaml_loader import load

    return load(Source("<load_yaml>", str(text))).data


def load_json(text: Any) -> Any:
    """What the JSON in TEXT means."""
    import json

    return json.loads(str(text))


def yaml_encode(value: Any) -> str:
    """One scalar as YAML that reads back as the same value: texts are quoted."""
    if isinstance(value, str):
        return yaml_dquote(value)
    if value is not None and not isinstance(value, bool | int | float):
        raise TypeError(f"yaml_encode takes one scalar, not {type(value).__name__}; use the filter yaml")
    return _dump(value).removesuffix("...\n").strip()


def yaml_dquote(text: Any) -> str:
    """TEXT in YAML's double quotes."""
    return _dump(str(text), default_style='"').strip()


def yaml_squote(text: Any) -> str:
    """TEXT in YAML's single quotes."""
    return _dump(str(text), default_style="'").strip()


def quote(text: Any) -> str:
    """TEXT as one word of a shell."""
    return shlex.quote(str(text))


def regex_match(text: str, rgx: str, ignorecase: bool = False, multiline: bool = False) -> tuple[Any, ...] | None:
    """The groups of RGX matched at the start of TEXT, or None."""
    found = re.match(rgx, text, _flags(ignorecase, multiline))
    return found.groups() if found else None


def regex_search(text: str, rgx: str, ignorecase: bool = False, multiline: bool = False) -> tuple[Any, ...] | None:
    """The groups of RGX found anywhere in TEXT, or None."""
    found = re.search(rgx, text, _flags(ignorecase, multiline))
    return found.groups() if found else None


def regex_replace(text: str, rgx: str, val: str, ignorecase: bool = False, multiline: bool = False) -> str:
    """TEXT with each match of RGX replaced by VAL."""
    return re.sub(rgx, val, text, flags=_flags(ignorecase, multiline))


def regex_escape(text: str) -> str:
    """TEXT so that a regular expression takes it literally."""
    return re.escape(text)


def is_match(text: str, rgx: str, ignorecase: bool = False, multiline: bool = False) -> bool:
    """The test `is match(RGX)`."""
    return re.match(rgx, text, _flags(ignorecase, multiline)) is not None


def uuid_(value: Any) -> str:
    """A UUID that is always the same for VALUE: version 5, in the namespace that Salt uses, so the same as there."""
    import uuid

    return str(uuid.uuid5(uuid.UUID(_UUID_NAMESPACE), str(value)))


def base64_encode(value: str | bytes) -> str:
    """VALUE in base64."""
    return base64.b64encode(_bytes(value)).decode("ascii")


def base64_decode(value: str | bytes) -> str:
    """The text that base64 VALUE stands for."""
    return base64.b64decode(_bytes(value)).decode()


def md5(value: str | bytes) -> str:
    """The MD5 of VALUE in hex; no protection against anyone who means harm."""
    import hashlib

    return hashlib.md5(_bytes(value), usedforsecurity=False).hexdigest()


def sha256(value: str | bytes) -> str:
    """The SHA-256 of VALUE in hex."""
    import hashlib

    return hashlib.sha256(_bytes(value)).hexdigest()


def sha512(value: str | bytes) -> str:
    """The SHA-512 of VALUE in hex."""
    import hashlib

    return hashlib.sha512(_bytes(value)).hexdigest()


def hmac_compute(value: str | bytes, shared_secret: str | bytes) -> str:
    """The HMAC-SHA-256 of VALUE under SHARED_SECRET, in base64."""
    import hmac

    return base64.b64encode(hmac.digest(_bytes(shared_secret), _bytes(value), "sha256")).decode("ascii")


def hmac_(value: str | bytes, shared_secret: str | bytes, challenge_hmac: str) -> bool:
    """Whether CHALLENGE_HMAC is `hmac_compute` of the same."""
    import hmac

    return hmac.compare_digest(hmac_compute(value, shared_secret), challenge_hmac)


def random_hash(value: Any = None, hash_type: str = "sha256") -> str:
    """A digest of random bytes, another one each time."""
    import hashlib
    import os

    return hashlib.new(hash_type, os.urandom(64)).hexdigest()


def strftime(value: Any = None, format: str = "%Y-%m-%d") -> str:
    """A time (seconds since 1970, an ISO 8601 or RFC 5322 text, Y/m/d, a datetime; None: now) by FORMAT, in local
    time."""
    from datetime import datetime

    if value is None or value == "":
        moment = datetime.now().astimezone()
    elif isinstance(value, int | float):
        moment = datetime.fromtimestamp(value).astimezone()
    elif isinstance(value, str):
        moment = _moment(value.strip())
    else:
        moment = value
    return moment.strftime(format)


def _moment(text: str) -> Any:
    from datetime import datetime
    from email.utils import parsedate_to_datetime

    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text)).astimezone()
    if re.fullmatch(r"\d{4}/\d{1,2}/\d{1,2}", text):
        return datetime(*map(int, text.split("/")))  # type: ignore[arg-type]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        known = "2002-12-25, 2002-12-25 17:00, 2002/12/25, Wed, 25 Dec 2002 17:00:00 +0100, or seconds since 1970"
        raise ValueError(f"not a time: {text!r}; write {known}") from None


def to_bytes(value: Any, encoding: str = "utf-8") -> bytes:
    """VALUE as bytes."""
    return str(value).encode(encoding)


def to_snake_case(text: str) -> str:
    """camelCase as snake_case."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", text)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spaced).lower()


def to_camelcase(text: str, uppercamel: bool = False) -> str:
    """snake_case as camelCase."""
    first, *others = text.split("_")
    return (first.capitalize() if uppercamel else first) + "".join(part.capitalize() for part in others)


def contains_whitespace(text: str) -> bool:
    """Whether TEXT holds a blank, a tab or a line end."""
    return any(char.isspace() for char in text)


def is_hex(value: Any) -> bool:
    """Whether VALUE is a number in hexadecimal digits."""
    try:
        int(str(value), 16)
    except ValueError:
        return False
    return True


def human_to_bytes(size: Any, default_unit: str = "B", handle_metric: bool = False) -> int:
    """`10K`, `1.5 GiB`, … as bytes. KB and K are 1024 as Salt's, or 1000 (KB) with HANDLE_METRIC."""
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(size))
    if not found:
        raise ValueError(f"not a size: {size!r} (like 512M or 1.5 GiB)")
    unit = (found[2] or default_unit).lower()
    power = "bkmgtpezy".find(unit[:1])
    if power < 0 or unit[1:] not in ("", "b", "ib"):
        raise ValueError(f"not a unit of size: {found[2]!r} (K, M, G, T, P, E, Z, Y)")
    base = 1000 if handle_metric and unit[1:] == "b" and power else 1024
    return int(float(found[1]) * base**power)


def which(name: str) -> str | None:
    """The path of the program NAME, or None."""
    import shutil

    return shutil.which(name)


def path_join(first: str, *others: str) -> str:
    """The path below FIRST; an absolute part does not lead out of it."""
    import posixpath

    return posixpath.join(first, *(part.lstrip("/") for part in others))


def dict_to_sls_yaml_params(value: Mapping[str, Any], flow_style: bool = False) -> str:
    """VALUE as the arguments of a state: a list of one-key mappings."""
    return yaml_([{key: item} for key, item in value.items()], flow_style)


def _flags(ignorecase: bool, multiline: bool) -> int:
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _plain(value: Any) -> Any:
    """VALUE of plain dicts and lists, whatever mappings and iterables it is made of."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return value


def _dump(value: Any, **options: Any) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(_plain(value), Dumper=dumper, sort_keys=False, width=1 << 30, allow_unicode=True, **options))


FILTERS = {
    "yaml": yaml_,
    "json": json_,
    "tojson": json_,
    "python": python,
    "xml": xml,
    "load_yaml": load_yaml,
    "load_json": load_json,
    "load_text": str,
    "uuid": uuid_,
    "hmac": hmac_,
    "random_str": random_hash,
    "rand_str": random_hash,
    "date_format": strftime,
    "escape_regex": regex_escape,
    **{
        function.__name__: function
        for function in (
            *(yaml_encode, yaml_dquote, yaml_squote, quote, regex_match, regex_search, regex_replace, regex_escape),
            *(base64_encode, base64_decode, md5, sha256, sha512, hmac_compute, random_hash, strftime, to_bytes),
            *(to_snake_case, to_camelcase, contains_whitespace, is_hex, human_to_bytes, which, path_join),
            dict_to_sls_yaml_params,
        )
    },
}
