"""Adds up the results of a run of tests/run.sh: JUnit files in a folder, and how many steps failed.

A step that failed without a failed test of its own (it did not build, a test crashed) counts as one.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def main():
    folder, failed_steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    passed = failed = skipped = 0
    reasons = []
    for file in sorted(folder.glob("*.xml")):
        for case in xml.parse(file).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                print("failed:", case.get("classname", ""), case.get("name", ""))
            elif case.find("skipped") is not None:
                skipped += 1
                reasons.append(f"{case.get('name')}: {case.find('skipped').get('message') or ''}")
            else:
                passed += 1
    for reason in reasons:
        print("skipped:", reason)
    if failed == 0:
        failed = failed_steps
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or passed == 0 else 0)


main()
