"""Reads text on a chain that isn't UTF-8: its writer may be anybody, and must not keep others from reading what stands beside it."""

from __future__ import annotations

from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from web3._utils.abi import build_strict_registry


def build_codec() -> ABICodec:
    """Return web3's own codec, in which a byte that is no text becomes U+FFFD."""
    registry = build_strict_registry()
    registry.unregister_decoder("string")
    decoder = StringDecoder("replace")  # type: ignore[no-untyped-call] # it ships no types for it
    registry.register_decoder("string", decoder, label="string")
    return ABICodec(registry)
