#!/usr/bin/env python3
"""Makes a Python 3 program of Autobahn's testsuite, which is Python 2.

    port.py FROM TO      the package `autobahntestsuite` as it comes from PyPI, and a folder for what is made of it

Its octets are text in Python 2, and stay text here: one character up to U+00FF is one octet, and play.py makes bytes of
them where they are sent. So sources are read as Latin-1, literals keep their octets, and of what the fixers of
lib2to3 (here its copy fissix, for Python 3.13 and later) do not see, only a few lines are left.
"""

import pathlib
import shutil
import sys

from fissix.refactor import RefactoringTool

# What `wstest -m fuzzingclient` needs; the other modes stay behind.
PARTS = ["_version.py", "caseset.py", "fuzzing.py", "case", "testdata"]

FIXERS = [f"fissix.fixes.fix_{name}" for name in ("except", "has_key", "import", "print", "raise", "unicode", "xrange")]

# FILES, THIS, BY THAT, WHY. Each must be found, so that another version of the suite is not ported half.
REPLACEMENTS = [
    ("*.py", "# coding=utf-8\n", "", "The octets of literals are Latin-1 now."),
    ("case/*.py", "(object, Case, )", "(Case, )", "A base class may not stand before those that are made of it."),
    ("case/case.py", "pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2", "Pickles tell equal objects apart."),
    ("case/case10_1_1.py", "len(self.payload) / self", "len(self.payload) // self", "A number of frames is whole."),
    ("case/case6_x_x.py", "v.validate(vss[:i])", "v.validate(vss[:i].encode('latin-1'))", "Bytes for autobahn."),
    ("case/case12_x_x.py", "m.update(msg)", "m.update(msg.encode('latin-1'))", "Bytes for hashlib."),
    ("case/case12_x_x.py", "open(fn, 'rb')", "open(fn, encoding = 'latin-1', newline = '')", "Octets as text."),
    ("case/case12_x_x.py", ".decode('utf-8')", ".encode('latin-1').decode('utf-8')", "Octets as text."),
    ("case/case12_x_x.py", " msg.encode('utf-8')", " msg.encode('utf-8').decode('latin-1')", "Octets as text."),
    ("case/__init__.py", "from case9_9_1 import *", "", "It is played nowhere, and asks for what zope has no more."),
    ("*.py", "binascii.b2a_hex(", "ascii(", "Descriptions and logs show octets, which here are text or bytes."),
    ("fuzzing.py", "import reactor, ssl", "import reactor", "No TLS, which takes a library more."),
    ("fuzzing.py", "ssl.ClientContextFactory()", "None", "No TLS."),
    ("fuzzing.py", "produceHtml = True", "produceHtml = False", "The reports are for play.py, in JSON."),
    ("fuzzing.py", "sort_keys = True", "sort_keys = True, default = ascii", "JSON has no bytes."),
]


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in PARTS:
        copy = shutil.copytree if (source / part).is_dir() else shutil.copy
        copy(source / part, target / part)
    # The package's own import every mode, and what writes HTML, which is left out.
    (target / "__init__.py").write_text("from ._version import __version__ as version\n")
    (target / "report.py").write_text("CSS_COMMON = CSS_DETAIL_REPORT = CSS_MASTER_REPORT = JS_MASTER_REPORT = None\n")
    for path in target.rglob("*.py"):
        path.write_text(path.read_text("latin-1"), "utf-8")
    for files, this, that, why in REPLACEMENTS:
        if not sum(replace(path, this, that) for path in target.rglob(files)):
            sys.exit(f"not in {files}: {this} ({why})")
    tool = RefactoringTool(FIXERS)
    for path in target.rglob("*.py"):
        path.write_text(str(tool.refactor_string(path.read_text("utf-8") + "\n", str(path))), "utf-8")


def replace(path, this, that):
    text = path.read_text("utf-8")
    path.write_text(text.replace(this, that), "utf-8")
    return text.count(this)


if __name__ == "__main__":
    main()
