"""Makes small random checkpoints of every short kind, with the logits of transformers.

    python short.py           writes the folders `short-*` beside this file (needs torch and transformers)

make.py describes the names of the files. Short models have no global tokens. A batch is padded on the right.
"""

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

from make import BERT, HERE, ROBERTA, VOCAB_SIZE, randomise, sequence

SEED = 26
TOKENS = 40  # the longest input
BERT = BERT | dict(max_position_embeddings=TOKENS)
ROBERTA = ROBERTA | dict(max_position_embeddings=TOKENS + 2)
NARROW = dict(embedding_size=16)
DISTILBERT = dict(bos_token_id=101, pad_token_id=0, sep_token_id=102, type_vocab_size=0, max_position_embeddings=TOKENS)


def sizes(hidden_size, heads, layers=2):
    return dict(hidden_size=hidden_size, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=72)


# Name of the kind in transformers, ids and positions, sizes.
CHECKPOINTS = {
    "short-bert": ("Bert", BERT, sizes(32, 2)),
    "short-bert-head24": ("Bert", BERT | dict(hidden_act="gelu_new"), sizes(72, 3)),
    "short-roberta": ("Roberta", ROBERTA, sizes(64, 2)),
    "short-roberta-head64": ("Roberta", ROBERTA | dict(hidden_act="gelu_pytorch_tanh"), sizes(64, 1)),
    "short-xlm-roberta": ("XLMRoberta", ROBERTA, sizes(32, 4)),
    "short-camembert": ("Camembert", ROBERTA, sizes(32, 2)),
    "short-distilbert": (
        "DistilBert",
        DISTILBERT,
        dict(dim=48, n_heads=2, n_layers=3, hidden_dim=72, hidden_size=48),
    ),
    "short-distilbert-relu": (
        "DistilBert",
        DISTILBERT | dict(activation="relu"),
        dict(dim=64, n_heads=1, n_layers=1, hidden_dim=72, hidden_size=64),
    ),
    "short-electra": ("Electra", BERT | NARROW, sizes(32, 2)),
    "short-electra-wide": ("Electra", BERT | dict(embedding_size=32, hidden_act="relu"), sizes(32, 1)),
    "short-albert": ("Albert", BERT | NARROW, sizes(64, 2, 3)),
    "short-albert-groups": (
        "Albert",
        BERT | dict(embedding_size=32, hidden_act="gelu", num_hidden_groups=2),
        sizes(32, 4, 4),
    ),
}


def cases(config):
    many = {f"alone-{tokens}": [tokens] for tokens in (1, 2, 9, 23, TOKENS)}
    many["batch"] = [12, TOKENS, 1, 33]
    many["padding-id-inside"] = [37]  # where positions follow the padding's, it takes none
    many["states-9"] = [9]
    return many


def run(model, name, sequences):
    longest = max(len(ids) for ids, _ in sequences)
    inputs = {"input_ids": torch.full((len(sequences), longest), model.config.pad_token_id)}
    inputs["attention_mask"] = torch.zeros_like(inputs["input_ids"])
    if sequences[0][1] is not None:
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    for row, (ids, types) in enumerate(sequences):
        inputs["input_ids"][row, : len(ids)] = torch.tensor(ids)
        inputs["attention_mask"][row, : len(ids)] = 1
        if types is not None:
            inputs["token_type_ids"][row, : len(ids)] = torch.tensor(types)
    states = name.startswith("states")
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=states, output_attentions=states)
    golden = {}
    for row, (ids, types) in enumerate(sequences):
        fields = {"input_ids": np.int32(ids)}
        if types is not None:
            fields["token_type_ids"] = np.int32(types)
        for field in ("start_logits", "end_logits"):
            fields[field] = outputs[field][row, : len(ids)].numpy()
        if states:
            fields["hidden_states"] = torch.stack(outputs.hidden_states)[:, row].numpy()
            fields["attentions"] = torch.stack(outputs.attentions)[:, row].numpy()
        golden |= {f"{name}.{row}.{field}": value.copy() for field, value in fields.items()}
    return golden


def make(folder, seed):
    torch.set_num_threads(1)  # The order of a sum may follow the number of threads.
    kind, ids, size = CHECKPOINTS[folder]
    config_class = getattr(transformers, f"{kind}Config")
    options = ids | size
    if kind == "DistilBert":
        options = {key: value for key, value in options.items() if key not in ("type_vocab_size", "hidden_size")}
    config = config_class(vocab_size=VOCAB_SIZE, **options)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{kind}ForQuestionAnswering")(config)
    randomise(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(HERE / folder)
    model = type(model).from_pretrained(HERE / folder, attn_implementation="eager").eval()
    rng = np.random.default_rng(seed)
    golden = {}
    for name, batch in cases(ids).items():
        golden |= run(model, name, [sequence(rng, name, tokens, ids) for tokens in batch])
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {seed}"
    save_file(golden, HERE / folder / "golden.safetensors", metadata={"made_with": made_with})


if __name__ == "__main__":
    for number, folder in enumerate(CHECKPOINTS):
        make(folder, SEED + number)
