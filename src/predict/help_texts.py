"""What ``predict.py --help`` says of its commands."""

from __future__ import annotations

from dataclasses import dataclass

DESCRIPTION = """\
Predict on raw text with a run of this project, or with a model that export.py made of it.

  classify   label (or score) of texts and pairs of texts, with a fine-tuned run (run_classifier.py)
  ner        tags of words and the entities they spell, with a run on token classification (run_classifier.py)
  qa         answers to questions about a passage, with a run on SQuAD (run_squad_v1.py)
  fill-mask  words that fit in the places of [MASK], with a pre-training run (run_pretrain.py)
  encode     vectors of texts, with any run
  serve      any of these over HTTP, with a page to try it in a browser
"""
EXAMPLES_END = "Without texts and with a terminal it asks for one text after the other.\n"
QUESTIONS_END = "Without questions and with a terminal it asks for a passage, where none is given, and for questions.\n"


@dataclass(frozen=True)
class CommandHelp:
    """The help of a command.

    Attributes:
        summary: One line.
        trainer: What makes the runs.
        kind: What is given on the command line or on a line of a file.
        which: More about it.
        examples: Commands.
        description: What it prints; ``None`` for the summary.
        more_of_input: More about a line of a file.
        line_forms: What the values of ``--input_format`` stand for.
        more_of_output: More about the file for the answers.
        rows: What batches are made of.
    """

    summary: str
    trainer: str
    kind: str
    which: str
    examples: str
    description: str | None = None
    more_of_input: str = ""
    line_forms: str = 'a text, or jsonl for {"text": "..."}'
    more_of_output: str = ""
    rows: str = "texts"


_PAIR_FORMS = 'texts as they are, or jsonl for {"text": "...", "text_b": "..."}'
_CLASSIFY = CommandHelp(
    summary="label (or score) of texts and pairs of texts",
    trainer="run_classifier.py",
    kind="text",
    which="to classify",
    description="Print for each text: label with its probability, or score, and the text; parted by tabs.",
    more_of_input="; a TAB parts the two texts of a pair",
    line_forms=_PAIR_FORMS,
    examples="""\
  python predict.py classify --run_dir runs/sst2 "a gripping, funny film"
  python predict.py classify --run_dir runs/mrpc "first sentence" --text_b "second sentence"
  python predict.py classify --run_dir runs/sst2 --input texts.txt --output answers.jsonl --json
  cat texts.txt | python predict.py classify --model exported/sst2.mindir
""",
)
_NER = CommandHelp(
    summary="tags of words and the entities they spell",
    trainer="run_classifier.py on token classification",
    kind="text",
    which="to tag",
    description="""\
Print for each entity: type, its text, the mean probability of its words, its place in the text as start-end in
characters (end exclusive), and the text; parted by tabs. A text without entities has one line of dashes. With labels
that are no entity tags (B-x, I-x), print word, tag and probability.

A text is parted into words at white space, around punctuation marks and around ideographs. Where training parted it in
another way ("do n't", "U.S."), give the words: --input_format jsonl and {"words": ["...", "..."]}.
""",
    line_forms='a text, or jsonl for {"text": "..."} or {"words": ["...", "..."]}',
    examples="""\
  python predict.py ner --run_dir runs/ner "Angela Merkel visited Paris."
  python predict.py ner --run_dir runs/ner --input sentences.jsonl --output entities.jsonl --json
""",
)
_QUESTIONS = CommandHelp(
    summary="answers to questions about a passage",
    trainer="run_squad_v1.py",
    kind="question",
    which="about the passage",
    description="""\
Print for each question: answer, its probability, its place in the passage as start-end in characters (end exclusive),
and the question; parted by tabs. With --top_n above 1 a line for each answer, with its number in front.
A run on SQuAD v2.0 may find that the passage does not tell: (no answer).

Without --context and --context_file, --input and a pipe hold JSON lines: {"question": "...", "context": "..."}, and
perhaps "id", which is given back by --json. Title, answers and is_impossible of SQuAD's records are passed over.
""",
    more_of_input=", or one record a line",
    line_forms="questions about the passage, or jsonl for records",
    rows="windows",
    examples="""\
  python predict.py qa --run_dir runs/squad --context "It rained in Rome." "Where did it rain?" "What did it do?"
  python predict.py qa --run_dir runs/squad --context_file passage.txt --top_n 3 "Who wrote it?"
  python predict.py qa --run_dir runs/squad --context_file passage.txt --input questions.txt
  python predict.py qa --run_dir runs/squad --input questions.jsonl --output answers.jsonl --json
""",
)
_FILL_MASK = CommandHelp(
    summary="words that fit in the places of [MASK]",
    trainer="run_pretrain.py",
    kind="text",
    which="with one [MASK] or more",
    description=(
        "Print for each [MASK] the most probable tokens: number of the mask, token (one with the mark of its"
        " vocabulary for the begin or the inside of a word), probability, and the text with the token in its place."
    ),
    examples="""\
  python predict.py fill-mask --run_dir runs/run_pretrain "The [MASK] was wonderful."
  python predict.py fill-mask --run_dir runs/run_pretrain --top_k 10 "A [MASK] of two [MASK]."
  python predict.py fill-mask --run_dir runs/run_pretrain --input texts.txt --output answers.jsonl --json
""",
)
_ENCODE = CommandHelp(
    summary="vectors of texts",
    trainer="any training",
    kind="text",
    which="to encode",
    description="""\
Print for each text its vector: the numbers parted by blanks, a tab, and the text. They are what the backbone makes of
the text, without a head. --output vectors.npy writes them as a NumPy array float32 [texts, hidden_size].
""",
    more_of_input="; a TAB parts the two texts of a pair",
    line_forms=_PAIR_FORMS,
    more_of_output="; one named .npy holds the vectors as an array",
    examples="""\
  python predict.py encode --run_dir runs/sst2 --json "a gripping, funny film"
  python predict.py encode --run_dir runs/run_pretrain --input texts.txt --output vectors.npy
""",
)
COMMANDS = {"classify": _CLASSIFY, "ner": _NER, "qa": _QUESTIONS, "fill-mask": _FILL_MASK, "encode": _ENCODE}
"""The commands by name, in the order of the help."""
