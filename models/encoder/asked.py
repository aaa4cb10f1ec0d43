"""A teacher's answers on many texts, kept in parts: asking takes as long as training does for some thousand steps."""

from pathlib import Path

import numpy as np

from models.encoder.states import Pause, Report
from models.encoder.teacher import EncoderTeacher
from models.teacher import Answers

PART = 8_000


def asked(
    teacher: EncoderTeacher, texts: list[str], work: Path, report: Report = print, pause: Pause = lambda: False
) -> Answers | None:
    """Answers to texts; parts that an earlier call left in `work` are not asked again.

    Args:
        teacher: whose state is in `work`.
        texts: cleaned, the same ones in each call.
        work: folder of the teacher.
        report: takes lines of progress.
        pause: asked after each part; where it says yes, None is returned.
    """
    found: list[Answers] = []
    for begin in range(0, len(texts), PART):
        file = work / f"answers-{begin}.npz"
        if not file.exists():
            report(f"asking the teacher: {begin}/{len(texts)}")
            answered = teacher.answers(texts[begin : begin + PART])
            temporary = work / f"partial-{file.name}"
            np.savez(temporary, **answered._asdict())
            temporary.replace(file)
            if begin + PART < len(texts) and pause():
                report(f"paused after {begin + PART} texts")
                return None
        with np.load(file, allow_pickle=False) as content:
            found.append(Answers(**content))
    return Answers(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
