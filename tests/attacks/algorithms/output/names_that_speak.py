"""Write rows into the names of its output files."""

from attacker import attempt

for name in (b"id=17,malignant", b"a\nb", b"\xff\xfe", b".hidden", b"a b", b"x" * 200, b"-rf *", b"..."):
    with attempt():
        open(b"/data/outputs/" + name, "wb").close()
