"""The model card of the shipped model: what it is, what it was trained on, how well it does."""

from models.evaluate import Evaluation
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


def card_of(manifest: Manifest, development: Evaluation, test: Evaluation) -> str:
    """The card in Markdown, with the figures of the development and the test set."""
    table = "\n".join(
        f"| {language} | {scores.n} | {scores.accuracy:.3f} | {scores.macro_f1:.3f} "
        f"| {test.languages[language].n} | {test.languages[language].accuracy:.3f} "
        f"| {test.languages[language].macro_f1:.3f} |"
        for language, scores in development.languages.items()
    )
    return f"""# Model card: {manifest.id}

A small multilingual BERT (4 layers, 256 wide, 4 heads, WordPiece of 30,000 pieces) trained from scratch for this
project. It reads one short text of user feedback and gives the probabilities of a sentiment
({", ".join(manifest.sentiments)}) and of a topic ({", ".join(manifest.topics)}).
ONNX opset {manifest.opset}, {manifest.precision}, at most {manifest.max_length} tokens a text. Weights: Apache-2.0,
as the project. The training texts are not part of it.

## Training data

120,598 public texts in 11 languages (zh 27k, en 25k, id 15k, ru 12k, fr 8k, ar, de, es, hi, pt 5.7k each, ja 3.9k):

{_SOURCES}

Mentions, addresses, links and long numbers were masked before training and are masked in serving.

## Figures

The sentiment's log-biases per language are fitted on the development set, which also chose the epochs that are
averaged; the test set was only reported on.

| language | dev n | dev accuracy | dev macro-F1 | test n | test accuracy | test macro-F1 |
|---|---|---|---|---|---|---|
{table}
| mean macro-F1 | | | {development.mean_macro_f1:.3f} | | | {test.mean_macro_f1:.3f} |
| topic macro-F1 | | | {development.topic_macro_f1:.3f} | | | {test.topic_macro_f1:.3f} |

Confusion matrices per language on the development set stand in `manifest.json`.

## Limits

- Made for shares over many texts of a market, not for judging one text or one person.
- Japanese was learned from translated rows only; native Hindi rows are romanised; Chinese neutrals come mostly from
  car forums; labels derived from stars are noisy.
- Irony, mixed opinions and languages other than the eleven are weak; such texts still get an answer.
- The topic `safety_privacy` is rare in training and seldom answered.
"""
