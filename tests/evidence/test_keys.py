"""Public keys are read strictly; the control tests show what the library underneath would accept."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.edwards25519 import NEUTRAL, ORDER, P, _add, _decompress, _equal, _multiply, check_prime_order
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import Algorithm, PublicKey, SignatureRefusedError, SigningKey
from reperform.tests.evidence.scene import ring, signing_key

# RFC 8032 §7.1, TEST 1 to 3: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

LOW_ORDER = {
    "order 1": "01" + "00" * 31,
    "order 2": "ec" + "ff" * 30 + "7f",
    "order 4, x even": "00" * 32,
    "order 4, x odd": "00" * 31 + "80",
    "order 8, first": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8, second": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order 8, third": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order 8, fourth": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
}
NOT_CANONICAL = {
    "order 1 with the sign of x": "01" + "00" * 30 + "80",
    "order 2 with the sign of x": "ec" + "ff" * 31,
    "order 1 as y = p + 1": "ee" + "ff" * 30 + "7f",
    "order 1 as y = p + 1 with the sign of x": "ee" + "ff" * 31,
    "order 4 as y = p": "ed" + "ff" * 30 + "7f",
    "order 4 as y = p, x odd": "ed" + "ff" * 31,
    "the largest y": "ff" * 31 + "7f",
    "all ones": "ff" * 32,
}


def encoded(point: tuple[int, int, int, int]) -> bytes:
    """RFC 8032 §5.1.2."""
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_hold(secret: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    assert key.public.value.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    key.public.verify(bytes.fromhex(signature), bytes.fromhex(message))


@pytest.mark.parametrize("text", LOW_ORDER.values(), ids=LOW_ORDER.keys())
def test_each_of_the_eight_points_of_low_order_is_refused(text: str) -> None:
    assert _equal(_multiply(8, _decompress(bytes.fromhex(text))), NEUTRAL)
    with pytest.raises(MalformedError, match="low or mixed order"):
        PublicKey(Algorithm.ED25519, bytes.fromhex(text))


def test_there_are_eight_of_them() -> None:
    assert len({encoded(_decompress(bytes.fromhex(text))) for text in LOW_ORDER.values()}) == 8


@pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_a_key_in_a_non_canonical_encoding_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="non-canonical"):
        PublicKey(Algorithm.ED25519, bytes.fromhex(text))


@pytest.mark.parametrize("torsion", list(LOW_ORDER.values())[1:], ids=list(LOW_ORDER)[1:])
def test_an_honest_key_plus_a_point_of_low_order_is_refused(torsion: str) -> None:
    honest = signing_key("honest").public.value
    check_prime_order(honest)
    mixed = encoded(_add(_decompress(honest), _decompress(bytes.fromhex(torsion))))
    assert mixed != honest
    with pytest.raises(MalformedError, match="low or mixed order"):
        PublicKey(Algorithm.ED25519, mixed)


def test_about_half_of_all_texts_are_no_point_on_the_curve_and_are_refused() -> None:
    refused = 0
    for i in range(100):
        try:
            _decompress(i.to_bytes(32, "little"))
        except MalformedError as error:
            refused += "not a point on the curve" in error.cause
    assert 30 < refused < 70


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_or_refused(value: bytes) -> None:
    try:
        key = PublicKey(Algorithm.ED25519, value)
    except ReperformError:
        return
    assert encoded(_decompress(key.value)) == value


def test_control_the_library_takes_a_key_of_low_order_and_one_signature_for_every_message() -> None:
    neutral = bytes.fromhex(LOW_ORDER["order 1"])
    key, signature = Ed25519PublicKey.from_public_bytes(neutral), neutral + bytes(32)
    for i in range(100):
        key.verify(signature, f"message {i}".encode())  # raises InvalidSignature if it does not verify


def test_a_signature_whose_scalar_is_not_reduced_is_refused() -> None:
    key = signing_key("anyone")
    signature = key.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    with pytest.raises(SignatureRefusedError):
        key.public.verify(signature[:32] + scalar.to_bytes(32, "little"), b"message")


@pytest.mark.parametrize("key", [ring("x").signing, ring("x").post_quantum], ids=["ed25519", "ml-dsa-44"])
def test_a_signature_altered_cut_or_over_another_message_is_refused(key: SigningKey) -> None:
    signature = key.sign(b"message")
    key.public.verify(signature, b"message")
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for bad, message in (
        (flipped, b"message"),
        (signature[:-1], b"message"),
        (signature + b"\x00", b"message"),
        (b"", b"message"),
        (signature, b"massage"),
        (signature, b""),
    ):
        with pytest.raises(SignatureRefusedError, match=key.public.key_id.short()):
            key.public.verify(bad, message)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_of_the_wrong_size_is_refused(algorithm: Algorithm) -> None:
    value = SigningKey.generate(algorithm).public.value
    for wrong in (b"", value[:-1], value + b"\x00"):
        with pytest.raises(MalformedError, match="expected"):
            PublicKey(algorithm, wrong)


def test_a_key_whose_algorithm_is_only_equal_text_is_checked_all_the_same() -> None:
    with pytest.raises(MalformedError, match="low or mixed order"):
        PublicKey("ed25519", bytes(32))  # type: ignore[arg-type]


def test_a_key_reads_back_from_its_text_and_from_no_other_text() -> None:
    key = signing_key("anyone").public
    assert PublicKey.parse(str(key)) == key
    name, _, value = str(key).partition(":")
    upper, low = value.upper(), LOW_ORDER["order 1"]
    for wrong in (f"{name}:", f"{name}:{upper}", f"{name}: {value}", f"{name}:{value}0", f"{name}:{value[:-2]}"):
        with pytest.raises(MalformedError):
            PublicKey.parse(wrong)
    for text in ("", value, f"ED25519:{value}", f"rsa:{value}", f"ml-dsa-44:{value}", f"{name}:{low}"):
        with pytest.raises(MalformedError):
            PublicKey.parse(text)


def test_a_key_id_depends_on_the_algorithm_and_on_every_byte() -> None:
    one, other = signing_key("one").public, signing_key("other").public
    assert one.key_id != other.key_id
    assert one.key_id == PublicKey(one.algorithm, one.value).key_id


def test_a_private_key_does_not_show_itself() -> None:
    key = signing_key("anyone")
    assert repr(key) == f"SigningKey({key.public.key_id.short()})"
    assert key.private.private_bytes_raw().hex() not in repr(ring("anyone"))
