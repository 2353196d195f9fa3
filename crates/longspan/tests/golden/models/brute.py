"""Longformer in slow, obvious numpy: a second implementation that checks the golden files.

It shares no code and no method with transformers. It computes one sequence at a time, without padding, in f64, and
with the explicit set of visible keys for every query. The results of transformers, which uses chunks, diagonals and
masks, must agree with it.

T tokens, C hidden, H heads, L layers, G global tokens.
"""

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


class Brute:
    """A checkpoint: its config.json as a dict and its tensors as arrays, under Hugging Face's names."""

    def __init__(self, config, tensors):
        self.config = config
        self.tensors = {name.removeprefix("longformer."): np.float64(array) for name, array in tensors.items()}

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def layer_norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return x * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def embed(self, ids, types):
        pad = self.config["pad_token_id"]
        positions = np.cumsum(ids != pad) * (ids != pad) + pad
        x = self.tensors["embeddings.word_embeddings.weight"][ids]
        x = x + self.tensors["embeddings.position_embeddings.weight"][positions]
        x = x + self.tensors["embeddings.token_type_embeddings.weight"][types]
        return self.layer_norm("embeddings.LayerNorm", x)

    def attention(self, layer, x, global_positions):
        """(T, C) -> (T, C), and the probabilities (H, T, T) that a query gives to a key."""
        name = f"encoder.layer.{layer}.attention.self."
        window = self.config["attention_window"]
        one_sided_window = (window if isinstance(window, int) else window[layer]) // 2
        tokens, hidden = x.shape
        heads = self.config["num_attention_heads"]
        size = hidden // heads

        def project(which):
            return self.linear(name + which, x).reshape(tokens, heads, size)

        query, key, value = (project(which) for which in ("query", "key", "value"))
        query_global, key_global, value_global = (project(which + "_global") for which in ("query", "key", "value"))
        out = np.zeros((tokens, heads, size))
        probabilities = np.zeros((heads, tokens, tokens))
        for i in range(tokens):
            if i in global_positions:
                keys, q, k, v = range(tokens), query_global, key_global, value_global
            else:
                band = {j for j in range(tokens) if abs(i - j) <= one_sided_window}
                keys, q, k, v = band | global_positions, query, key, value
            keys = sorted(keys)
            for h in range(heads):
                scores = k[keys, h] @ (q[i, h] / math.sqrt(size))
                p = np.exp(scores - scores.max())
                p /= p.sum()
                probabilities[h, i, keys] = p
                out[i, h] = p @ v[keys, h]
        return out.reshape(tokens, hidden), probabilities

    def layer(self, layer, x, global_positions):
        name = f"encoder.layer.{layer}."
        mixed, probabilities = self.attention(layer, x, global_positions)
        mixed = self.linear(name + "attention.output.dense", mixed)
        x = self.layer_norm(name + "attention.output.LayerNorm", mixed + x)
        inner = gelu(self.linear(name + "intermediate.dense", x))
        x = self.layer_norm(name + "output.LayerNorm", self.linear(name + "output.dense", inner) + x)
        return x, probabilities

    def run(self, ids, types, global_positions):
        """All that a golden file may hold for one sequence, under the golden file's names."""
        x = self.embed(ids, types)
        states, attentions = [x], []
        for layer in range(self.config["num_hidden_layers"]):
            x, probabilities = self.layer(layer, x, set(global_positions.tolist()))
            states.append(x)
            attentions.append(probabilities)
        return self.head(x) | {
            "last_hidden_state": x,
            "hidden_states": np.stack(states),
            "attentions": np.stack(attentions),
        }

    def head(self, x):
        match self.config["architectures"][0]:
            case "LongformerModel":
                return {}
            case "LongformerForQuestionAnswering":
                start, end = self.linear("qa_outputs", x).T
                return {"start_logits": start, "end_logits": end}
            case "LongformerForMaskedLM":
                y = self.layer_norm("lm_head.layer_norm", gelu(self.linear("lm_head.dense", x)))
                tied = self.tensors["embeddings.word_embeddings.weight"]
                return {"logits": y @ tied.T + self.tensors["lm_head.bias"]}
            case "LongformerForSequenceClassification":
                y = np.tanh(self.linear("classifier.dense", x[0]))
                return {"logits": self.linear("classifier.out_proj", y)}
            case "LongformerForTokenClassification":
                return {"logits": self.linear("classifier", x)}
            case "LongformerForMultipleChoice":
                y = np.tanh(self.linear("pooler.dense", x[0]))
                return {"logits": self.linear("classifier", y)}
        raise ValueError(f"no such head: {self.config['architectures']}")


def gelu(x):
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))
