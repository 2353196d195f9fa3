"""Records what the pipeline of transformers 4.57.1 makes of the calls in `calls.py`, with the embedded model.

    python make.py ../../../../models/embedded > calls.json

Of each call by its name: `result` (or `iterator`, what comes out of it), or `error`, its class, and `message`. It needs torch
and transformers 4.57.1.
"""

import json
import sys
import warnings

import torch
import transformers

from calls import CALLS, record


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    make = lambda task="question-answering", **options: transformers.pipeline(task, model=sys.argv[1], **options)
    qa = make()
    calls = {name: record(call, qa, make) for name, call in CALLS}
    made_with = f"transformers {transformers.__version__}, torch {torch.__version__}"
    json.dump({"made_with": made_with, "calls": calls}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
