#!/usr/bin/env python3
"""Adds up Meson's JUnit reports and prints "N passed, N failed, N skipped": count_tests.py REPORT...

With CI=true a skipped test counts as failed: there nothing that a test needs may be missing.
"""
import os
import sys
import xml.etree.ElementTree as xml

passed, failed, skipped = 0, 0, 0
for report in sys.argv[1:]:
    for case in xml.parse(report).getroot().iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed += 1
            print(f"failed: {case.get('classname', '')} {case.get('name')}")
        elif "skipped" in outcomes:
            skipped += 1
            print(f"skipped: {case.get('classname', '')} {case.get('name')}")
        else:
            passed += 1
if os.environ.get("CI") == "true" and skipped:
    print("a skipped test is a failure here (CI=true)")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or passed == 0 or (skipped and os.environ.get("CI") == "true") else 0)
