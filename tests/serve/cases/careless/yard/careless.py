"""Functions that leave the process otherwise than they found it."""

import logging
import os
import sys


def moves(msg):
    os.chdir("/")
    return {"predictions": [os.getcwd()]}  # noqa: PTH109


def renames(msg):
    os.environ.update(MODEL_NAME="another", MODElNAME="another")
    return {"predictions": [1]}


def closes(msg):
    """As ``sys.stdout.close()`` does."""
    os.closerange(0, 3)
    return {"predictions": [1]}


def prints(msg):
    os.write(1, b"printed")
    os.write(2, b"printed")
    return {"predictions": [1]}


def spoils(msg):
    sys.setrecursionlimit(sys.getrecursionlimit() // 4)
    logging.disable(logging.CRITICAL)
    sys.stdout.close()
    sys.stderr.close()
    return {"predictions": [1]}


def depth(left):
    return depth(left - 1) + 1 if left else 0


def uses(msg):
    print("used")
    logging.getLogger("yard").warning("logged")
    return {"predictions": [depth(900)]}
