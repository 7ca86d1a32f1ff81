"""Every venue holds to the contract (``contract.py``): the facts of each, and nothing else."""

from __future__ import annotations

from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hedgekit.types import Fees, Instrument, Kind, Word
from tests.venues.contract import Contract
from tests.venues.counter import Moving
from tests.venues.polymarket_made import KEYS

D = Decimal


def pem(seed: bytes) -> str:
    """Return a private key as Kalshi hands it out."""
    return Ed25519PrivateKey.from_private_bytes(seed * 32).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class TestAlpaca(Contract):
    """Shares."""

    venue, keys, spoilt = "ALPACA", ("a-key-id", "the secret of an account"), "another secret altogether"
    listed = tuple(Instrument("ALPACA", name, fees=Fees(D("0.0005"))) for name in ("PEP", "KO"))
    standing = ((("60.10", "40"), ("60.05", "4000")), (("60.20", "40"), ("60.30", "4000")))
    moving = Moving(D("30.00"), D("40.00"), D("0.01"))
    budget = 100_000
    low, high, floor, rich = "50.00", "60.30", "60.00", "90000"
    off_tick, off_lot = ("10", "60.3055"), ("10.5", "60.30")
    many, in_a_pause = 104, Word.DONE


class TestDeribit(Contract):
    """Inverse perpetuals, in contracts."""

    venue, keys, spoilt = "DERIBIT", ("a-client-id", "the secret of an account"), "another secret altogether"
    listed = (
        Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, D("0.5"), D(1), D(10), Fees(D("0.0005"), quantum=D("1e-8"))),
        Instrument("DERIBIT", "ETH-PERPETUAL", Kind.INVERSE_PERP, D("0.05"), D(1), D(1), Fees(D("0.0005"), quantum=D("1e-8"))),
    )
    standing = ((("90000.0", "40"), ("89990.0", "4000")), (("90010.0", "40"), ("90020.5", "4000")))
    moving = Moving(D("3000.00"), D("3040.00"), D("0.05"))
    cash = D(5)
    low, high, floor, rich = "80000.0", "90020.5", "89990.0", "90000000"
    off_tick, off_lot = ("10", "90020.3"), ("10.5", "90020.5")
    many, paged, in_a_pause = 7, (b'"count":1000', b'"count":3'), Word.BUSY


class TestKalshi(Contract):
    """YES contracts that net."""

    venue, keys, spoilt = "KALSHI", ("a-key-id", pem(b"\x01")), pem(b"\x02")
    listed = tuple(
        Instrument("KALSHI", name, Kind.BINARY, D("0.001"), D("0.01"), fees=Fees(D("0.07"), quantum=D("0.0001")))
        for name in ("FED-23DEC-T3.00", "FED-23DEC-T3.25")
    )
    standing = ((("0.480", "40.00"), ("0.470", "4000.00")), (("0.520", "40.00"), ("0.530", "4000.00")))
    moving = Moving(D("0.200"), D("0.700"), D("0.001"))
    low, high, floor, rich = "0.300", "0.530", "0.470", "900000"
    off_tick, off_lot = ("10", "0.5305"), ("10.001", "0.530")
    many, paged, timed = 7, (b"limit=1000", b"limit=3"), False
    reader = ("a-reading-key-id", pem(b"\x03"))


class TestPolymarket(Contract):
    """YES tokens, which do not net: a sale of what is not held buys NO."""

    venue, keys, spoilt = "POLYMARKET", KEYS, "YW5vdGhlciBzZWNyZXQgYWx0b2dldGhlciwgb2YgMzI="
    wrong, names = 2, frozenset({1})
    listed = tuple(
        Instrument("POLYMARKET", name, Kind.BINARY, D("0.001"), D(1), fees=Fees(D("0.04"), quantum=D("0.00001")))
        for name in ("RAIN", "SNOW")
    )
    standing = ((("0.48", "40"), ("0.47", "4000")), (("0.52", "40"), ("0.53", "4000")))
    moving = Moving(D("0.200"), D("0.700"), D("0.001"))
    low, high, floor, rich = "0.30", "0.53", "0.47", "900000"
    off_tick, off_lot = ("10", "0.5305"), ("10.5", "0.53")
    many = 104
