"""Adds up the results of a run of tests/run.sh: JUnit files in a folder, and how many steps failed.

A step that failed without a failed test of its own (it did not build, a test crashed) counts as one. What failed and
passed when it was asked once more (NAME-again.xml) is passed, and named.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def cases(file):
    """Each case as ((class, name), what became of it, why)."""
    for case in xml.parse(file).getroot().iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        yield ((case.get("classname", ""), case.get("name", "")),
               "failed" if failed else "skipped" if skipped is not None else "passed",
               skipped.get("message") or "" if skipped is not None else "")


def main():
    folder, failed_steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for file in sorted(folder.glob("*.xml")):
        if file.stem.endswith("-again"):
            continue
        again = file.with_name(f"{file.stem}-again.xml")
        mended = {case for case, what, _ in cases(again) if what == "passed"} if again.exists() else ()
        for case, what, why in cases(file):
            if what == "failed" and case in mended:
                what = "passed"
                print("unsteady, passed the second time:", *case)
            elif what != "passed":
                print(f"{what}:", *case, why)
            count[what] += 1
    if count["failed"] == 0:
        count["failed"] = failed_steps
    print("\n{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    sys.exit(1 if count["failed"] or count["passed"] == 0 else 0)


main()
