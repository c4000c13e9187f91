"""Signatures of seamless-wallet calls: HMAC-SHA256 with a shared secret, or RSA-SHA256 with a key pair.

What is signed is ``<timestamp>.<call>.<body>``: the timestamp limits how long a captured call can be sent again, and
the call's name keeps a captured debit from being sent as a promo. Signatures are written in hexadecimal digits.
"""

import hashlib
import hmac
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.seamless import Code, Signature

SECRET_BYTES_MIN = 16
RSA_BITS_MIN = 2048


class Signer(Protocol):
    """Signs what is about to be sent."""

    def sign(self, message: bytes) -> str:
        """Return the signature in hexadecimal digits."""


class Verifier(Protocol):
    """Judges signatures."""

    def verifies(self, message: bytes, signature: str) -> bool:
        """Tell whether the signature is of this message."""


class Hmac:
    """Signs and verifies with a secret that both sides know; comparison takes the same time wherever they differ.

    Parameters
    ----------
    secret : str
        At least :data:`SECRET_BYTES_MIN` bytes.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        if len(self._secret) < SECRET_BYTES_MIN:
            raise ConfigError(
                f"the shared secret has {len(self._secret)} bytes, at least {SECRET_BYTES_MIN} are needed"
            )

    def sign(self, message: bytes) -> str:
        """Return the message's HMAC-SHA256."""
        return hmac.digest(self._secret, message, hashlib.sha256).hex()

    def verifies(self, message: bytes, signature: str) -> bool:
        """Tell whether the signature is of this message."""
        return hmac.compare_digest(self.sign(message).encode(), signature.encode())


class RsaSigner:
    """Signs with a private key (RSASSA-PKCS1-v1_5, which is what providers use).

    Parameters
    ----------
    pem : str
        The private key.
    """

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError("the signing key is no private key in PEM form without a password") from None
        if not isinstance(key, RSAPrivateKey):
            raise ConfigError("the signing key is no RSA key")
        self._key = key

    def sign(self, message: bytes) -> str:
        """Return the message's RSA-SHA256 signature."""
        return self._key.sign(message, PKCS1v15(), SHA256()).hex()


class RsaVerifier:
    """Verifies with a public key.

    Parameters
    ----------
    pem : str
        The public key, of at least :data:`RSA_BITS_MIN` bits.
    """

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ConfigError("a provider's key is no public key in PEM form") from None
        if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS_MIN:
            raise ConfigError(f"a provider's key is no RSA key of at least {RSA_BITS_MIN} bits")
        self._key = key

    def verifies(self, message: bytes, signature: str) -> bool:
        """Tell whether the signature is of this message."""
        try:
            self._key.verify(bytes.fromhex(signature), message, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True


def signer_of(kind: Signature, secret: str) -> Signer:
    """Return what signs calls with this secret or private key."""
    return Hmac(secret) if kind is Signature.HMAC_SHA256 else RsaSigner(secret)


def verifier_of(kind: Signature, secret: str) -> Verifier:
    """Return what verifies calls with this secret or public key."""
    return Hmac(secret) if kind is Signature.HMAC_SHA256 else RsaVerifier(secret)


def signed_message(timestamp: str, call: str, body: bytes) -> bytes:
    """Return what a call's signature is over."""
    return f"{timestamp}.{call}.".encode() + body


def judge(
    verifier: Verifier, timestamp: str, call: str, body: bytes, signature: str, now_ms: int, window_ms: int
) -> Code | None:
    """Return None if a call is genuine and recent, or why it is refused."""
    if not verifier.verifies(signed_message(timestamp, call, body), signature):
        return Code.BAD_SIGNATURE
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
        return Code.STALE_TIMESTAMP
    return None if abs(int(timestamp) - now_ms) <= window_ms else Code.STALE_TIMESTAMP
