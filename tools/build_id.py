#!/usr/bin/env python3
"""Writes the header with the build id of the program: build_id.py SOURCE_ROOT HEADER

The id is the SHA-256 over names and contents of everything below src/, so that two builds of the same code have the
same id, whatever the machine, the folder or the state of git. It is stored with each decision and version. The header
is written only when the id changes.
"""
import hashlib
import pathlib
import sys

root, header = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
digest = hashlib.sha256()
for path in sorted(p for p in (root / "src").rglob("*") if p.suffix in (".c", ".h", ".build")):
    content = path.read_bytes()
    digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
text = ("/* Made by tools/build_id.py. */\n#ifndef CLI_BUILD_ID_H\n#define CLI_BUILD_ID_H\n\n"
        f'#define CLI_BUILD_ID "src-{digest.hexdigest()[:16]}"\n\n#endif\n')
if not header.exists() or header.read_text() != text:
    header.write_text(text)
