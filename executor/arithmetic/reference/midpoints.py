"""Inputs whose exact value lies within 2^-48 (relative) of a midpoint between two float32 values (§1).

Each is a hexadecimal bit pattern, in increasing order: first those that round toward zero, then those that
round away from it. Written by `python -m reperform.executor.arithmetic.exhaustive --write FUNCTION...`.
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
    "log": (
        """
        022ae487 03d2f29f 064cb44b 07180b41 0793ff2f 07b2c054 11b257e3 12f3c073 13252717 133578d2 1344cd4b
        13b591ed 13e56e75 14907055 14d745eb 153c8057 16a57ea8 16c5ee7a 17cfc9e5 195a8a50 197fb389 19dfd217
        1ab7c313 1adfd25d 1aeb68cc 1b81ab52 1c3ecbc1 1f8d227e 21bb4ebf 22925ad4 24a8fb14 2702172e 28763c69
        28d6af22 29e6126b 29fd22f8 3418949b 3461a322 35b5889a 362b8e87 36e5459e 37974bdc 37c92259 39c31348
        3a25d245 3a51c713 3a7aba8a 3c413d3a 3e2b3421 3e5c31f6 3fc55379 3fd364d7 3fdc4750 40504cb2 41178feb
        464d5b2b 4665a9a6 46ca6c75 4c723804 4e85f412 50dfef2e 51e8644f 54af989d 55185f82 5588e13b 5a8f8e03
        5a9007c2 5b777193 5bf9890b 5caffb5e 5d800341 5da07e05 5ee8984e 5efbcaae 5f64c24a 5f945685 62f13366
        63b134d9 64e27fa3 66abbd63 6914cb96 6a2510d0 6d1f23eb 6e7054f2 736cc271 7405dee8 74896a73 79e7ec37
        7a708b30 7a854203 7c97418c 7d26f8db
        """,
        """
        03b0ffa6 04366d72 07c060fa 0825e048 0b265d7b 0dc8bba4 0f61ff63 10e848d7 111c87f8 12711cdc 134140d7
        13b2d101 13fcd84a 145cb6d4 152ed9f5 155d60fc 158772eb 16b3a0b6 18b06f2a 199efd2b 1a21db87 1a3de5e8
        1a8446cb 1aac80dc 1b1cdfa8 1d24a185 1dc9e7c1 1e0b6c02 1e6bc9fa 1f116ab8 22f6d580 2423c085 246ff143
        25be734f 25f12e61 2758eec4 27a51454 28e3fa26 29bd4f07 2c4c24b7 2d6f4a4e 2e492984 2e7a6221 3031622e
        3509dcf6 372f2767 38dcbe38 39c7b1f9 39dbdda7 39fe220c 3bf86ef0 3ca1c99f 4056ee45 41e3b2af 432c2b82
        434f23a8 43d5e7fa 44bc4360 46067543 4aabe14f 4b77325a 4bf70db3 4c08ff78 4c5d65a5 4c6b191e 4ca8a9ee
        4d604ebe 4fe4ab24 526a304f 540592de 56210e9a 5982af5d 5b042ba3 5b800531 5b98e163 5be9c85f 5d8b2d5b
        60f5c5d6 62b467ba 62dc7608 644a8b82 64bc5793 65d890d3 66a8c860 672c6c43 67d2390b 6be8cf96 6d6c9d3a
        6f31a8ec 76a32b61 77996704 77b945eb 789e5998 7c776a08 7d98b8f4 7dbdfe04
        """,
    ),
    "tanh": (
        """
        3eee0566 4013cd84 40c5e8ca beee0566 c013cd84 c0c5e8ca
        """,
        """
        3ac37de2 3c96ae2e 3cd41b91 3d7c3055 3ff8bc7e 40a6ef82 40acb4d0 bac37de2 bc96ae2e bcd41b91 bd7c3055
        bff8bc7e c0a6ef82 c0acb4d0
        """,
    ),
}
