import os
import sys


def second(msg):
    rows = msg.payload["instances"]
    if rows[0][0] == -9:
        os.abort()
    predictions = [10 * sum(row) for row in rows]
    return {"predictions": predictions, "pid": os.getpid(), "prefix": sys.prefix, "venv": os.environ["VIRTUAL_ENV"]}
