"""
The inputs, as hexadecimal bit patterns in increasing order, whose exact value lies within 2^-48
(relative) of a midpoint between two float32 values: first those that round toward zero, then
those that round away from it.

Written by `python -m reperform.executor.arithmetic.exhaustive --write FUNCTION...`.
"""

MIDPOINTS: dict[str, tuple[str, str]] = {
    "exp": (
        """
        337fffff 38ad9e29 38e69cc1 3c608a0e 3c971aaa 3d1a274e 3f5bc24c 3fe67199 4001b249 40dd70cb 4288942b
        b3000001 b3c00001 b4200001 b4b00002 b5d4000b b616000b b6b50020 b7c9c09f b7f4c0ea ba7242a6 bae0e25c
        bc2a461a bf76fd92 bfbfa14b c0781533 c13d6631
        """,
        """
        33800000 343fffff 34dffffd 356ffff9 35f7fff1 367bffe1 36fdffc1 377eff81 383a3ef1 39c6be5b 39e5bb1d
        3a7bcd08 3caffe2e 40315b33 4034d02b 4178966e 41cbf87b 4283070f b2ffffff b3000000 bbb70ee8 bbf0edf1
        bcb8f40f bce017bb bdb393eb bf81eadf c0382e72 c16912cd
        """,
    ),
    "gelu": (
        """
        334aa765 3666c879 366c4759 36d32ea6 37b0a46f 37f5c377 38028e89 38ca1be2 3a0985d4 3c70b2ce 3cd2bcd8
        3e3b1d21 3e493cc6 3e60b687 407a7cf4 b3f83306 b4bd90bb b5a42b1d b8679055 b95b5b3e bad07184 bc2df329
        bc419978 bc7c14b2 bca716f5 bcbe36a9 be8e7062 bf84ad16 bfeff58d c0925885 c09f7c81 c0d76985
        """,
        """
        33f83306 34bd90bb 35a42b1d 38679055 395b5b3e 3ad07184 3c2df329 3c419978 3c7c14b2 3ca716f5 3cbe36a9
        3eada244 b34aa765 b666c879 b66c4759 b6d32ea6 b7b0a46f b7f5c377 b8028e89 b8ca1be2 ba0985d4 bc70b2ce
        bcd2bcd8 be3b1d21 be493cc6 be9f431c c13ced3a
        """,
    ),
}
