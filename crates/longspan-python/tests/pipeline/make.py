"""Records what the pipeline of transformers 4.57.1 makes of the calls in `calls.py`, with the embedded model.

    longspan convert embedded FOLDER
    python make.py FOLDER > calls.json

FOLDER has that model in f32, since transformers does not read matrices in bytes. Run it again when the model is replaced.

Of each call by its name: `result` (or `iterator`, what comes out of it), or `error`, its class, and `message`. It needs torch
and transformers 4.57.1.
"""

import json
import sys
import warnings

import torch
import transformers

import calls


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    make = lambda task="question-answering", **options: transformers.pipeline(task, model=sys.argv[1], **options)
    qa = make()
    calls.Rows = type("Rows", (calls.Rows, torch.utils.data.Dataset), {})
    recorded = {name: calls.record(call, qa, make) for name, call in calls.CALLS}
    made_with = f"transformers {transformers.__version__}, torch {torch.__version__}"
    json.dump({"made_with": made_with, "calls": recorded}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
