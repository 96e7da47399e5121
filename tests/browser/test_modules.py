"""The UI's sources: well typed, small, and without a way to make markup from text."""
import pathlib
import re
import subprocess

from hub import BUILD, ROOT

WEB = ROOT / "web"
FORBIDDEN = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment"
                       r"|localStorage|sessionStorage|https?://(?!www\.w3\.org)")


def test_the_modules_pass_the_strict_type_check():
    done = subprocess.run(["tsc", "-p", WEB], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_module_can_make_markup_or_ask_another_host():
    for file in WEB.glob("src/*.*"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            assert file.suffix == ".svg" or not FORBIDDEN.search(line), f"{file.name}:{number}: {line}"


def test_everything_that_is_embedded_is_small():
    files = [BUILD / "web" / "app.js", BUILD / "web" / "app.css", *WEB.glob("src/*.html"), *WEB.glob("src/*.svg")]
    assert sum(file.stat().st_size for file in files) < 200_000
