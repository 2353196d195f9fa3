//! The long texts of `--help` and the manual pages.

/// Below the help of the program.
pub const EXAMPLES: &str = "\
Examples:
  longspan ask \"Which status code means that nothing changed?\" rfc9110.txt.gz
  longspan ask --all --json \"Which law governs the agreement?\" contracts/*.txt
  curl -s https://example.com/terms.txt | longspan ask \"How long is the notice period?\"
  longspan ask --interactive manual.txt

Exit status: 0 when every question was answered, 1 when some had no answer, 2 on an error.";

/// Below that of `longspan ask`.
pub const ASK_MORE: &str = "\
Documents are UTF-8 text, plain or packed with gzip. Several documents are ranked: those that answer by their score, \
then those without an answer, the least sure of that first. Where an answer stands is said as FILE:LINE, counted from \
1, and as characters (Unicode scalar values) from the start of the document, the end not included; a byte-order mark \
and both bytes of CRLF count, since the text is taken as it is.

With --json, each document and question gives one line with the keys document, question, answer, score, \
no_answer_score, null_odds, start, end, start_byte, end_byte, line, answers, tokens, windows, model, precision and \
seconds. Without an answer, answer and its place are null and score is no_answer_score. Documents are read in batches; \
seconds is the share of the batch's time that falls to the document by its length.

Everything is printed when all documents were read, for it is ranked.

A question counts as answered when one of the documents answers it. An error in one document, such as a file that is \
missing, does not keep the others from being read.

Examples:
  longspan ask \"Who signed the treaty?\" treaty.txt
  longspan ask --top-k 3 \"What are cookies for?\" rfc6265.txt.gz
  longspan ask --threshold -2 --json --questions questions.txt contracts/*.txt
  git log | longspan ask \"Who fixed the parser?\" -

Exit status: 0 when every question was answered, 1 when some had no answer, 2 on an error.";

/// Below that of `longspan eval`.
pub const EVAL_MORE: &str = "\
Data are JSON in the form of SQuAD v1.1 or v2.0, plain or packed with gzip; several files count as one. Figures are those \
of the official evaluate-v2.0.py, to the letter (as Python sums up to version 3.11); --json prints what it prints. exact and f1 are those of the decisions at \
the threshold in use, best_* and pr_* those of the best spans with their null odds. A question has an answer when the \
data list one, whatever is_impossible says.

With --out, a folder gets predictions.json (the decisions), predictions_best.json (always a span), null_odds.json, \
nbest_predictions.json, report.json (everything that was measured), report.html (the same to look at, with the fifty most \
confident mistakes), plots/ (as SVG and PNG), and answers.jsonl: what was answered so far, with which --resume goes on \
after an interruption. With --predictions there are the report and its plots only. The folder must be new or empty, but for \
--resume.

--context-tokens puts every paragraph back among its neighbours of the same article, whole ones, until another would make \
the document longer than N tokens (a paragraph that is longer itself stays whole); how much stands before it is drawn at random. Answers then lie anywhere in long \
documents. A question without an answer in its own paragraph may be answered by a neighbour: some answers that count as \
wrong are right.

Precision is the share of the answers that are right to the letter, shown where 30 answers or more reach it. Intervals are \
of 95%, as if questions were independent. In report.json exact match, F1, their errors and average precision are in \
percent, other shares from 0 to 1.

Predictions of another system are evaluated with --predictions, without a model: ids of the data that they lack are left \
out, with a warning. The threshold is 1 then, as in the script. The tokenizer of -m measures lengths for the report.

Examples:
  longspan eval dev-v2.0.json
  longspan eval -m mrm8488/longformer-base-4096-finetuned-squadv2 --context-tokens 3500 --out report dev-v2.0.json
  longspan eval dev-v2.0.json --predictions predictions.json --null-odds null_odds.json --json";

/// Below that of `longspan calibrate`.
pub const CALIBRATE_MORE: &str = "\
The model is asked the data as they are, and again with paragraphs among their neighbours for each length of \
--context-tokens. Without --limit that is all questions as they are, and 1,000 of them at each length; with --limit N, N of \
them each time.

Fitted are the threshold, at which F1 over all these questions is best, on a curve smoothed so that it holds for others \
too, or with --target-precision the highest at which that share of the answers is right (of 30 answers at least); and two \
functions σ(a·logit(score) + b·ln(tokens) + c), tokens being those of the document. They make the score of an answer the \
probability that it is right to the letter, and the no_answer_score of an abstention the probability that there is no \
answer. All goes to longspan.json in the folder of the model, where every command finds it, with --max-answer-length and \
--verify-tokens where they are given; with --out the model is copied into that folder first.

What it is worth is told for articles that were not fitted on: the articles are divided into ten folds, and each is judged \
by what was fitted on the others. Calibrate on questions like those that will be asked, and not on data that the model \
was trained on: it is too sure there.

Examples:
  longspan calibrate dev-v2.0.json -m my-model
  longspan calibrate dev-v2.0.json --target-precision 0.9 --out calibrated
  longspan ask -m calibrated \"Who signed the treaty?\" treaty.txt";

/// Below that of `longspan train`.
pub const TRAIN_MORE: &str = "\
Data have the form of SQuAD v1.1 or v2.0, plain or packed with gzip; several files count as one. What `longspan eval` rejects \
is rejected before the first step. BASE is a Longformer checkpoint: one for question answering, or one without a head for it, \
which then begins with random weights.

The folder --out gets the model, as Hugging Face's libraries load it too: with --dev the best of all evaluations by F1 (until the first, the last that was saved), \
else the last. Beside it: recipe.toml, the recipe of the run, complete; metrics.jsonl, a JSON object a line for each step and \
evaluation; tensorboard/, the same for `tensorboard --logdir`; loss.svg, to look at; and what --resume goes on from. The \
folder must be new or empty, but for --resume.

A recipe is a TOML file with the names of the options, `_` for `-`, such as learning_rate = 5e-5. Texts, and ranges such as \
\"512..4096\", stand in quotes, files in a list. Options of the command line beat it; out, resume, offline and threads are \
none of its keys. Paths start from where the program is started.

Control-C ends the program at once; --resume goes on from what was saved last, and the run ends with the same weights as \
one that was never stopped. It takes the recipe in the folder: options may be repeated but not changed, --threads apart. \
A result depends on the seed, the data, the recipe and the instruction set, not on the number of threads.

On a terminal a line shows the step, the loss (a mean that forgets), the learning rate, tokens a second, the share of the \
machine's peak (as `longspan bench` measures it) and the time left; elsewhere about a hundred lines of it are printed, to \
standard error. Every evaluation gives the official figures at the threshold 0, and the best F1 at any threshold.

Afterwards `longspan calibrate` chooses the threshold and makes scores probabilities, and `longspan eval` says how good the \
model is. Data that choose between models, as --dev does, flatter the chosen one: judge it on others.

Examples:
  longspan train -m base --train train-v2.0.json --dev dev-v2.0.json --out trained
  longspan train -m base --train train-v2.0.json --recipe recipes/longformer-base-4096-squadv2.toml --out trained
  longspan train --out trained --resume";

/// Below that of `longspan pretrain`.
pub const PRETRAIN_MORE: &str = "\
Masked language modelling: the model guesses tokens that are hidden from it. Of documents longer than the base was made for \
it so learns what stands far away; `longspan train` then begins with a better encoder. BASE is a Longformer, such as \
`longspan convert` makes. Its head for masked language modelling is used; where it has none, a new one is trained alone \
first, in OUT/head.

Texts are UTF-8, plain or gzip: a file is a document, of a folder every file in it is one, but for hidden ones; in files \
named .jsonl or .ndjson, plain or .gz, every line is one, a JSON object with its text in --text-field. They are tokenized \
once, into OUT/tokens, laid end to end with separators between, and cut into inputs of --max-tokens. A share of the tokens \
is hidden (--mask-share), anew in every epoch: 80% behind a mask, 10% behind a random token, 10% behind themselves. No token is global; global projections become copies of the local \
ones.

With --valid the end shows bits of a masked token, and of a character, all and by the position in the input: of the source \
at the length that it was made for (where the positions of BASE are still copies), before, and after. The same stands in \
bits.json and bits.svg. The other files of OUT, recipes and --resume are those of `longspan train`; \
texts must stay where they are until the run has ended.

Examples:
  longspan pretrain -m base --text books --valid valid.jsonl.gz --out long
  longspan pretrain -m base --text books --valid valid.txt --recipe recipes/pretrain-longformer-base.toml --out long
  longspan pretrain --out long --resume";

/// Below that of `longspan bench`.
pub const BENCH_MORE: &str = "\
A run is one batch in one precision on one number of threads: --sequences inputs of so many random tokens, all of one \
length. After a pass that is not counted come --passes that are; shown are their median, the fastest and the slowest. \
Every combination of the lists is run.

The peak is what the product of matrices reaches on operands that stay in the caches of a core, on all threads at once, \
measured before the runs in each precision; a run's share of it says how much of the machine the model uses. GFLOP are \
the multiplications and additions of linear layers and attention as they are done: each token with the keys that it \
sees, global attention in the form that is used; of a step of training, three \
times those of its forward pass. Norms, softmax and GELU are not counted in them, but in the time.

Memory is the most that was resident while the model was loaded and the run was made. What runs before it left behind \
counts too: for exact figures, start the program anew for each run.

With --json, one object has the keys machine, model, training (null without it), peaks, products and runs; gflop is work, gflops work by second.

Examples:
  longspan bench
  longspan bench --lengths 4096 --precision f32,bf16,int8 --threads 1,2
  longspan bench --training --lengths 170 --sequences 32
  longspan bench --preset large --lengths 512 --sequences 8 --json";

/// Below that of `longspan convert`.
pub const CONVERT_MORE: &str = "\
SRC is a checkpoint of BERT (MiniLM is one), RoBERTa, XLM-RoBERTa or CamemBERT. OUT becomes a Longformer in Hugging Face's \
layout, which transformers loads too: model.safetensors in f32, config.json, and a tokenizer that joins question and \
document as Longformer asks for, with two separators between. The position table is copied again and again until it has \
--max-tokens rows, and global attention begins as a copy of local attention. A head of question answering, masked language \
modelling or classification is taken along; what has no place is named.

On inputs of up to half a window and one token the long model is the short one. The command measures that against a plain \
computation of SRC in double precision, and keeps OUT only if the difference is one of rounding.

SRC may be a Longformer too, of pytorch_model.bin or with the names of old files: it gets those of today, and more positions \
with --max-tokens. Its windows stay; the first Longformers had the widths of one side in config.json, which \
--one-sided-windows doubles.

A model that was made so has not seen long inputs yet, nor, without a head, questions: it must be fine-tuned.

Examples:
  longspan convert sentence-transformers/all-MiniLM-L6-v2 mini-long --attention-window 256
  longspan convert roberta-base-folder base-long
  longspan convert old-longformer new-longformer --max-tokens 16384 --one-sided-windows";
