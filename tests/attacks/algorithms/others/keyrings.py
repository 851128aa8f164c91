"""Use the kernel's keyrings, which containers share, as a letter box between jobs."""

from attacker import attempt, call, gained

KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING, KEYCTL_DESCRIBE = 0, -3, -4, 6

with attempt():
    call("add_key", b"user\0", b"sealroom-letter\0", b"rows\0", 4, KEY_SPEC_USER_KEYRING)
    gained("a key in the user's keyring")
for keyring in (KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING):
    with attempt():
        call("keyctl", KEYCTL_GET_KEYRING_ID, keyring, 0, 0, 0)
        gained("a keyring")
with attempt():
    call("request_key", b"user\0", b"sealroom-letter\0", 0, KEY_SPEC_USER_KEYRING)
    gained("a key")
